/**
 * A stand-in for the native addon: keeps account of what is open, mounted and
 * attached, and fails where it is told to.
 */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { LoopStatus, NativeAddon, NativeDisk, DiskOptions } from '../../../app/addon/addon';

export type Step =
  | 'openDisk'
  | 'mountFuse'
  | 'startFuse'
  | 'startDmUser'
  | 'takeOver'
  | 'attachLoop'
  | 'unmountLazily'
  | 'detachLoop'
  | 'flush';

export function errnoError(code: string, syscall: string, path?: string): Error {
  return Object.assign(new Error(`${code}: ${syscall}`), { code, syscall, path });
}

class FakeDisk implements NativeDisk {
  size: bigint;
  tail: bigint;
  /** Channels of a dm-user target. */
  channels: readonly number[] = [];
  readonly imageKind = 'file';
  readonly threads: number;
  readonly traceCapacity: bigint;
  /** Ends the route, as an unmount or an abort would. */
  end: (reason: string | null) => void = () => undefined;
  private readonly whenEnded = new Promise<string | null>((resolve) => (this.end = resolve));

  constructor(
    private readonly addon: FakeAddon,
    readonly options: DiskOptions,
  ) {
    const bytes = BigInt(statSync(options.imagePath).size);
    this.tail = bytes % 512n;
    this.size = bytes - this.tail;
    const [rings = 0, capacity = 0] = readFileSync(options.tracePath, 'utf8')
      .split(' ')
      .map(Number);
    this.threads = Math.min(options.threads, rings);
    this.traceCapacity = BigInt(rings * capacity);
  }

  async startFuse(): Promise<void> {
    this.addon.step('startFuse');
    await Promise.resolve();
  }
  async startDmUser({ channels }: { channels: readonly number[] }): Promise<void> {
    this.addon.step('startDmUser');
    this.channels = channels;
    await Promise.resolve();
  }
  takeOver(): void {
    this.addon.step('takeOver');
    this.takePresentSize();
  }
  presentSize(): bigint {
    const bytes = BigInt(statSync(this.options.imagePath).size);
    return bytes - (bytes % 512n);
  }
  takePresentSize(): void {
    this.size = this.presentSize();
  }
  ended(): Promise<string | null> {
    return this.whenEnded;
  }
  counters() {
    return {
      time: 1n,
      reads: 2n,
      writes: 3n,
      flushes: 4n,
      discards: 5n,
      zeroes: 6n,
      readBytes: 7n,
      writtenBytes: 8n,
      errors: 9n,
      inFlight: 10,
      payloadBytes: 11n,
    };
  }
  readPayload(sequence: bigint, offset: number, length: number) {
    if (sequence !== 1n) return null;
    const payload = Buffer.from('the payload of request one');
    return {
      total: BigInt(payload.length),
      bytes: new Uint8Array(payload.subarray(offset, offset + length)),
    };
  }
  async readImage(_sector: bigint, length: number): Promise<Uint8Array> {
    await Promise.resolve();
    return new Uint8Array(length).fill(0x42);
  }
  async flush(): Promise<void> {
    this.addon.step('flush');
    await Promise.resolve();
  }
  async close(): Promise<void> {
    this.addon.calls.push('close');
    this.addon.open.delete(this);
    this.end(null);
    await Promise.resolve();
  }
  async handOver(): Promise<void> {
    this.addon.calls.push('handOver');
    this.addon.open.delete(this);
    this.end(null);
    await Promise.resolve();
  }
}

export class FakeAddon implements NativeAddon {
  readonly traceVersion = 1;
  readonly calls: string[] = [];
  readonly open = new Set<FakeDisk>();
  readonly mounts = new Set<string>();
  /** Device → label and who serves it. */
  readonly loops = new Map<string, { label: string; disk: FakeDisk | null }>();
  /** What each step throws, once. */
  readonly failures = new Map<Step, Error>();
  private nextLoop = 900;

  step(name: Step): void {
    this.calls.push(name);
    const failure = this.failures.get(name);
    this.failures.delete(name);
    if (failure) throw failure;
  }

  /** Everything that would be left behind if the daemon ended now. */
  get remains(): string[] {
    return [
      ...[...this.open].map(({ options }) => `open ${options.imagePath}`),
      ...[...this.mounts].map((path) => `mounted ${path}`),
      ...[...this.loops.keys()],
    ];
  }

  async openDisk(options: DiskOptions): Promise<NativeDisk> {
    this.step('openDisk');
    if (options.resumeTrace && !existsSync(options.tracePath))
      throw errnoError('ENOENT', 'open', options.tracePath);
    if (!options.resumeTrace && existsSync(options.tracePath))
      throw errnoError('EEXIST', 'open', options.tracePath);
    // A trace that is gone on with keeps the rings it has.
    if (!options.resumeTrace)
      writeFileSync(options.tracePath, `${options.threads} ${options.ringCapacity}`);
    const disk = new FakeDisk(this, options);
    this.open.add(disk);
    await Promise.resolve();
    return disk;
  }
  openTrace(): never {
    throw errnoError('ENOENT', 'open');
  }

  async letGoOfImages(): Promise<void> {
    this.calls.push('letGoOfImages');
    await Promise.resolve();
  }
  openPayloads(): never {
    throw new Error('the fake addon keeps no payloads');
  }

  makeColumnPacker(): never {
    throw new Error('the daemon packs no columns');
  }

  makeRecordPacker(): never {
    throw new Error('the daemon packs no records');
  }

  crc32c(): never {
    throw new Error('the fake addon sums nothing up');
  }
  memoryPromise(): ReturnType<NativeAddon['memoryPromise']> {
    return { ioFlusher: null, locked: null };
  }
  lockCode(): Promise<void> {
    return Promise.resolve();
  }
  openHelperSocket(): never {
    throw errnoError('EPERM', 'socketpair');
  }
  /** What `lockFile` answers, one after the other; then 1. */
  readonly locks: (number | null)[] = [];
  /** Another process has it. */
  isLockHeld = false;
  lockFile(): number | null {
    this.calls.push('lockFile');
    if (this.isLockHeld) return null;
    const next = this.locks.shift();
    return next === undefined ? 1 : next;
  }
  unlockFile(): void {
    this.calls.push('unlockFile');
  }
  async mountFuse({ directory }: { directory: string }): Promise<number> {
    this.step('mountFuse');
    this.mounts.add(directory);
    await Promise.resolve();
    return 99;
  }
  async unmountLazily(directory: string): Promise<void> {
    this.step('unmountLazily');
    if (!this.mounts.delete(directory)) throw errnoError('EINVAL', 'umount2', directory);
    await Promise.resolve();
  }
  async attachLoop({ label }: { label: string }): Promise<string> {
    this.step('attachLoop');
    const device = `/dev/loop${this.nextLoop++}`;
    this.loops.set(device, { label, disk: [...this.open].at(-1) ?? null });
    await Promise.resolve();
    return device;
  }
  async loopStatus(device: string): Promise<LoopStatus | null> {
    await Promise.resolve();
    const loop = this.loops.get(device);
    if (!loop) return null;
    const { label } = loop;
    return { backingDevice: 0n, backingInode: 0n, label, readOnly: false, directIo: true };
  }
  async detachLoop({ device }: { device: string }): Promise<void> {
    this.step('detachLoop');
    const loop = this.loops.get(device);
    this.loops.delete(device);
    // The FUSE connection ends with its last user.
    loop?.disk?.end(null);
    await Promise.resolve();
  }
}
