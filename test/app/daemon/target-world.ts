/**
 * Disks on the dm-user route with a kernel and an engine that are made up: what the tests of
 * them begin with. `nextDaemon` is what a daemon that was killed leaves to the next.
 */
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { prepareRuntimeDirectory, type RuntimePaths } from '../../../app/client/runtime-directory';
import { BioscopeError } from '../../../app/contract/errors';
import type { Disk } from '../../../app/contract/disk';
import { nanoseconds } from '../../../app/contract/units';
import { DiskTable } from '../../../app/daemon/disks/disk-table';
import type { PreparedTarget } from '../../../app/daemon/disks/resuming-targets';
import { clearDevices, findLeftovers } from '../../../app/daemon/leftovers/clear-leftovers';
import { rootPrivileges } from '../../../app/privileged/root';
import { FakeAddon } from './fake-addon';
import { FakeTargets } from './fake-targets';

const kept = { ringCapacity: 1024, payloadLimit: 4096, trace: true };
export const diedAt = nanoseconds(1_000_000n);
export const died = { pid: 4321, diedAt, opened: new Map<string, PreparedTarget>() };

// New ones for each test; the files that import them see them change.
export let directory: string;
export let paths: RuntimePaths;
export let addon: FakeAddon;
export let targets: FakeTargets;
export let disks: DiskTable;
/** Of 8 KiB. */
export let image: string;
let obstacle: string | null;

/** Why the kernel has no targets; null: it has. */
export function setObstacle(why: string): void {
  obstacle = why;
}

/** Of a daemon with the engine and the kernel of this test, whose targets get so many channels. */
export function table(channels = 2): DiskTable {
  const trace = { ...kept, threads: 4, channels };
  const privileges = { ...rootPrivileges(addon), targets };
  const log = () => undefined;
  return new DiskTable({ addon, privileges, paths, trace, log, obstacle: () => obstacle });
}

/** To be called once in a file of tests. */
export function eachWithNewWorld(): void {
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'bioscope-test-'));
    paths = prepareRuntimeDirectory({ BIOSCOPE_RUNTIME_DIRECTORY: join(directory, 'run') });
    addon = new FakeAddon();
    targets = new FakeTargets();
    obstacle = null;
    disks = table();
    image = join(directory, 'disk.img');
    writeFileSync(image, Buffer.alloc(8192));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));
}

export async function failure(promise: Promise<unknown>): Promise<BioscopeError> {
  const thrown: unknown = await promise.then(
    () => null,
    (error: unknown) => error,
  );
  if (thrown instanceof BioscopeError) return thrown;
  throw new Error(`expected a BioscopeError, got ${String(thrown)}`);
}

export const tagOfDisk = ({ device }: Disk) => (device ?? '').replace(/^.*bioscope-\d+-/, '');

export function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((number) => {
    try {
      return [readlinkSync(`/proc/self/fd/${number}`)];
    } catch {
      return []; // closed meanwhile
    }
  });
}

/** Nobody answers the question for a password, until the returned function is called. */
export function holdStatus(): () => void {
  let answer: () => void = () => undefined;
  const answered = new Promise<void>((resolve) => (answer = resolve));
  const status = targets.status.bind(targets);
  targets.status = async (tag) => {
    await answered;
    return status(tag);
  };
  return answer;
}

/** The next daemon, after this one was killed: only the kernel and the files are left. */
export async function nextDaemon(channels?: number): Promise<DiskTable> {
  addon = new FakeAddon();
  const next = table(channels);
  const privileges = { ...rootPrivileges(addon), targets };
  const old = { paths, privileges, log: () => undefined };
  const leftovers = findLeftovers(old);
  next.adopt(leftovers.entries, leftovers.nextNumber);
  await clearDevices(leftovers, old, (...leftover) => next.settleLeftover(...leftover));
  return next;
}
