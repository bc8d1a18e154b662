// The block devices that are compared, each on an image of its own in tmpfs, and
// fio on them.
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { UserError, root } from '../steps.mjs';

const execute = promisify(execFile);
const IMAGE_MEBIBYTES = 256;

async function output(program, ...parameters) {
  return (await execute(program, parameters, { maxBuffer: 64 << 20 })).stdout;
}

async function hasProgram(name) {
  return execute('which', [name]).then(
    () => true,
    () => false,
  );
}

/** Everything that is made is taken away by close(), the last first. */
export class Devices {
  #closers = [];
  #directory = mkdtempSync('/dev/shm/bioscope-bench-');

  async close() {
    for (const close of this.#closers.reverse()) {
      try {
        await close();
      } catch (error) {
        console.error(`bench: left behind: ${error.message}`);
      }
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** A filled image: holes in a tmpfs file would make reads too cheap. */
  async #image(name) {
    const path = join(this.#directory, `${name}.img`);
    const parameters = ['if=/dev/urandom', `of=${path}`, 'bs=1M', `count=${IMAGE_MEBIBYTES}`];
    await output('dd', ...parameters, 'status=none');
    return path;
  }

  async #loop(path) {
    const options = ['--find', '--show', '--direct-io=on'];
    const device = (await output('losetup', ...options, path)).trim();
    this.#closers.push(() => output('losetup', '--detach', device));
    return device;
  }

  /** A plain loop device with direct I/O. */
  async plainLoop() {
    return { device: await this.#loop(await this.#image('plain')), pid: null };
  }

  /** The product: its own daemon, attached through the command line. */
  async bioscope(name, environment = {}) {
    const image = await this.#image(name);
    const runtime = join(this.#directory, `run-${name}`);
    const env = { ...process.env, BIOSCOPE_RUNTIME_DIRECTORY: runtime, ...environment };
    const cli = async (...words) => {
      const argv = [join(root, 'dist/bioscope.cjs'), ...words];
      return (await execute(process.execPath, argv, { env })).stdout;
    };
    const disk = JSON.parse(await cli('attach', '--json', image));
    this.#closers.push(() => cli('daemon', 'stop', '--all'));
    if (!disk.device) throw new UserError(`no block device: ${disk.notes.join(' ')}`);
    const { pid } = JSON.parse(readFileSync(join(runtime, 'disks.json'), 'utf8'));
    return { device: disk.device, pid };
  }

  /** nbdkit, nbdfuse and a loop device on top; null where they are not installed. */
  async nbdfuse() {
    for (const name of ['nbdkit', 'nbdfuse']) if (!(await hasProgram(name))) return null;
    const image = await this.#image('nbd');
    const folder = join(this.#directory, 'nbd');
    mkdirSync(folder);
    // nbdfuse starts nbdkit itself and ends it when it is unmounted.
    const file = join(folder, 'nbd');
    const child = spawn('nbdfuse', [folder, '--command', 'nbdkit', '-s', 'file', image], {
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => child.once('close', resolve));
    this.#closers.push(async () => {
      await output('umount', folder);
      await ended;
    });
    for (let tries = 0; !readdirSync(folder).includes('nbd'); tries++) {
      if (tries > 100) throw new UserError('nbdfuse does not come up');
      await sleep(50);
    }
    return { device: await this.#loop(file), pid: child.pid };
  }
}

/** CPU time of a process so far, in µs: all its threads, by the scheduler's own clock. */
function cpuMicroseconds(pid) {
  let nanoseconds = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const [ran] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ');
    nanoseconds += Number(ran);
  }
  return nanoseconds / 1000;
}

/**
 * One run of fio.
 *
 * @param {{ device: string, pid: number | null }} target
 * @param {{ pattern: string, block: string, depth: number }} cell
 * @returns {Promise<{ perSecond: number, cpu: number | null }>} requests a second, and
 *   the µs of CPU that the process behind the device used for each.
 */
export async function fio(target, cell, seconds) {
  const before = target.pid === null ? 0 : cpuMicroseconds(target.pid);
  const report = JSON.parse(
    await output(
      'fio',
      '--name=bench',
      `--filename=${target.device}`,
      `--rw=${cell.pattern}`,
      `--bs=${cell.block}`,
      `--iodepth=${cell.depth}`,
      '--ioengine=libaio',
      '--direct=1',
      '--randrepeat=1',
      '--norandommap',
      '--time_based',
      // Whole seconds only: fio 3.33 reads 0.5 as 0 and then runs the whole size.
      `--runtime=${seconds}`,
      '--output-format=json',
    ),
  );
  const after = target.pid === null ? 0 : cpuMicroseconds(target.pid);
  const [{ read, write }] = report.jobs;
  const requests = read.total_ios + write.total_ios;
  return {
    perSecond: read.iops + write.iops,
    cpu: target.pid === null ? null : (after - before) / requests,
  };
}
