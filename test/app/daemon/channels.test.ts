/** How many channels a target gets, and daemons that go on with the disks of one that had another number. */
import { availableParallelism } from 'node:os';
import { describe, expect, test } from 'vitest';
import type { Disk } from '../../../app/contract/disk';
import type { DiskTable } from '../../../app/daemon/disks/disk-table';
import { readState } from '../../../app/daemon/disks/state-file';
import type { PreparedTarget } from '../../../app/daemon/disks/resuming-targets';
import { engineOptions, traceOptions } from '../../../app/daemon/disks/trace-options';
import { findLeftovers } from '../../../app/daemon/leftovers/clear-leftovers';
import { usualChannels } from '../../../app/daemon/routes/channels';
import {
  addon,
  died,
  eachWithNewWorld,
  image,
  nextDaemon,
  openFiles,
  paths,
  setObstacle,
  table,
  tagOfDisk,
  targets,
} from './target-world';

eachWithNewWorld();

const logged: string[] = [];
const options = (threads: string | undefined, processors?: number) =>
  traceOptions({ BIOSCOPE_THREADS: threads }, (line) => logged.push(line), processors);

describe('where nobody chose', () => {
  test('a target gets a channel for every two processors, one at least and two at most', () => {
    expect([1, 2, 3, 4, 5, 64].map(usualChannels)).toEqual([1, 1, 1, 2, 2, 2]);
    expect(options(undefined).channels).toBe(usualChannels(availableParallelism()));
  });

  test('fuse-loop has four threads, however few processors there are', () => {
    const one = options(undefined, 1);
    expect(engineOptions(one, 'fuse-loop')).toMatchObject({ threads: 4 });
    expect(engineOptions(one, 'dm-user')).toMatchObject({ threads: 2 });
    expect(engineOptions(one, 'dm-user')).not.toHaveProperty('channels');
  });
});

test('BIOSCOPE_THREADS is the number of threads, and half of it that of the channels', () => {
  const channels = (threads: string) => options(threads, 2).channels;
  expect(['1', '2', '3', '4', '8', '64'].map(channels)).toEqual([1, 1, 1, 2, 4, 32]);
  expect(options('8', 2).threads).toBe(8);
});

test('a BIOSCOPE_THREADS that is no number is said, and is none', () => {
  logged.length = 0;
  expect(options('two', 4)).toEqual(options(undefined, 4));
  expect(logged).toEqual([
    'BIOSCOPE_THREADS=two is not a whole number from 1 to 64; the usual number is used',
  ]);
});

test('a disk says how many channels it has', async () => {
  const disk = await table(1).attach(image, false);
  expect(disk.channels).toBe(1);
  expect(targets.get(tagOfDisk(disk)).channels).toBe(1);
  expect([...addon.open][0]?.options.threads).toBe(2);
});

test('a disk without a target says nothing of channels', async () => {
  setObstacle('None here.');
  const disk = await table(1).attach(image, false);
  expect(disk).not.toHaveProperty('channels');
  expect([...addon.open][0]?.options.threads).toBe(4);
});

/** [the channels of the first daemon, those of the next, what the disk has then]. */
const changes = [
  [2, 1, 1],
  [1, 2, 1],
  [4, 2, 2],
  [2, 4, 2],
] as const;

describe('the trace of a daemon with other channels is gone on with', () => {
  function goesOn(next: DiskTable, disk: Disk, wanted: number, channels: number): void {
    expect(next.list()).toMatchObject([
      { id: disk.id, state: 'attached', tracePath: disk.tracePath, channels },
    ]);
    const served = [...addon.open].at(-1);
    // The newest are the next daemon's; those that there are no threads for are closed.
    const opened = targets.opened.slice(-wanted);
    expect(opened).toHaveLength(wanted);
    expect(served?.channels).toEqual(opened.slice(0, channels));
    // All rings of the file count, also those that nobody writes any more.
    expect(next.statistics()[0]?.traceCapacity).toBe(BigInt((disk.channels ?? 0) * 2 * 1024));
  }

  test.each(changes)('after its death: %i, then %i', async (first, wanted, channels) => {
    const disk = await table(first).attach(image, false);
    const next = await nextDaemon(wanted);
    const before = openFiles().filter((path) => path === '/dev/null').length;
    await next.targets.resuming.resumeAll(died);
    goesOn(next, disk, wanted, channels);
    // The engine made up here closes none of its own.
    const after = openFiles().filter((path) => path === '/dev/null').length;
    expect(after - before).toBe(channels);
  });

  test.each(changes)('at a hand-over: %i, then %i', async (first, wanted, channels) => {
    const old = table(first);
    const disk = await old.attach(image, false);
    const next = table(wanted);
    const { resuming } = next.targets;
    const [saved] = readState(paths.state, () => undefined)?.disks ?? [];
    if (!saved?.target) throw new Error('the disk is not in the state');
    const { target } = saved;
    const prepared = await resuming.prepare({ ...saved, target });
    expect(prepared.engine).not.toBeNull();
    await old.targets.handOver();
    const opened = resuming.takeOver(new Map<string, PreparedTarget>([[target.tag, prepared]]));
    const leftovers = findLeftovers({ paths, log: () => undefined });
    next.adopt(leftovers.entries, leftovers.nextNumber);
    await next.targets.resuming.resumeAll({ pid: 1, diedAt: null, opened });
    goesOn(next, disk, wanted, channels);
  });
});
