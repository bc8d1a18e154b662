/** How much of a CPU this process, engine threads included, uses. */
export class CpuMeter {
  private usage = process.cpuUsage();
  private time = process.hrtime.bigint();
  private latest = 0;

  /** Share of one CPU since the sample before; a sample under half a second old is kept. */
  sample(): number {
    const time = process.hrtime.bigint();
    const elapsed = Number(time - this.time) / 1000;
    if (elapsed < 500_000) return this.latest;
    const { user, system } = process.cpuUsage(this.usage);
    this.latest = (user + system) / elapsed;
    this.usage = process.cpuUsage();
    this.time = time;
    return this.latest;
  }
}
