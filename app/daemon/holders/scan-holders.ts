/**
 * Names who holds a block device: mounts in any mount namespace, swap, devices
 * stacked on top, and processes that have it open. It is for telling people;
 * the race-free check is the exclusive open at detach.
 */
import { readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import type { Holder } from '../../contract/errors';
import {
  configuredLoops,
  deviceAndPartitions,
  deviceNumberText,
  devicesOnTop,
  type BlockName,
} from '../system/block-devices';
import { readMountTable, unescapeOctal } from '../system/mount-table';
import { systemRoots, type SystemRoots } from '../system/roots';

/** Processes looked at before other work of the daemon gets its turn. */
const PROCESSES_A_TURN = 32;

export interface ScanOptions {
  readonly roots?: SystemRoots;
  /** A process whose open files do not count: this daemon's own. */
  readonly ignoredPid?: number;
}

/** Everybody that holds `device` (a path such as /dev/loop0) or one of its partitions. */
export async function scanHolders(
  device: string,
  options: ScanOptions = {},
): Promise<readonly Holder[]> {
  const roots = options.roots ?? systemRoots;
  const names = deviceAndPartitions(device, roots);
  if (names.length === 0) return [];
  const pids = processIds(roots);
  return [
    ...mountHolders(names, pids, roots),
    ...swapHolders(names, roots),
    ...stackedHolders(names, roots),
    ...(await processHolders(names, pids, roots, options.ignoredPid)),
  ];
}

/** Processes that have the file at `path` open, e.g. the FUSE file of an ordinary user. */
export async function scanFileHolders(
  path: string,
  options: ScanOptions = {},
): Promise<readonly Holder[]> {
  const roots = options.roots ?? systemRoots;
  const holders: Holder[] = [];
  await eachProcess(processIds(roots), (pid) => {
    if (pid === options.ignoredPid) return;
    const open = openFiles(pid, roots).some(({ target }) => target === path);
    if (open) holders.push(processHolder(path, pid, roots));
  });
  return holders;
}

/** For a sentence: "mounted at /mnt, open in dd (process 12)". */
export function describeHolders(holders: readonly Holder[]): string {
  const words = holders.map((holder) => {
    switch (holder.kind) {
      case 'mount':
        return (
          `${holder.device} is mounted at ${holder.name}` +
          (holder.pid === null ? '' : ` (in the mount namespace of process ${holder.pid})`)
        );
      case 'swap':
        return `${holder.device} is used as swap`;
      case 'process':
        return `${holder.device} is open in ${holder.name} (process ${holder.pid ?? '?'})`;
      case 'device':
        return `${holder.name} lies on ${holder.device}`;
    }
  });
  return words.join('; ');
}

function processIds(roots: SystemRoots): readonly number[] {
  return readdirSync(roots.proc)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Calls `look` for each process, giving way to other work now and then. */
async function eachProcess(pids: readonly number[], look: (pid: number) => void): Promise<void> {
  let turn = 0;
  for (const pid of pids) {
    look(pid);
    if (++turn % PROCESSES_A_TURN === 0) await yieldToOthers();
  }
}

function mountHolders(
  names: readonly BlockName[],
  pids: readonly number[],
  roots: SystemRoots,
): readonly Holder[] {
  const byNumber = new Map(names.map((name) => [deviceNumberText(name.number), name.path]));
  const paths = new Set(names.map(({ path }) => path));
  const holders: Holder[] = [];
  const seen = new Set<string>();

  const collect = (table: string, pid: number | null) => {
    for (const mount of readMountTable(table)) {
      // A file system with a device number of its own (btrfs) is known by its source.
      const device =
        byNumber.get(mount.device) ?? (paths.has(mount.source) ? mount.source : undefined);
      if (device === undefined) continue;
      const key = `${device} ${mount.mountPoint}`;
      if (seen.has(key)) continue;
      seen.add(key);
      holders.push({ kind: 'mount', device, name: mount.mountPoint, pid });
    }
  };

  const namespaces = new Set([namespaceOf('self', roots)]);
  collect(join(roots.proc, 'self/mountinfo'), null);
  for (const pid of pids) {
    const namespace = namespaceOf(String(pid), roots);
    if (namespace === null || namespaces.has(namespace)) continue;
    namespaces.add(namespace);
    collect(join(roots.proc, String(pid), 'mountinfo'), pid);
  }
  return holders;
}

function namespaceOf(process: string, roots: SystemRoots): string | null {
  try {
    return readlinkSync(join(roots.proc, process, 'ns/mnt'));
  } catch {
    return null;
  }
}

function swapHolders(names: readonly BlockName[], roots: SystemRoots): readonly Holder[] {
  let text: string;
  try {
    text = readFileSync(join(roots.proc, 'swaps'), 'utf8');
  } catch {
    return []; // a kernel without swap
  }
  const used = new Set(
    text
      .split('\n')
      .slice(1)
      .map((line) => unescapeOctal(line.split(/\s/)[0] ?? '')),
  );
  return names
    .filter(({ path }) => used.has(path))
    .map(({ path }) => ({ kind: 'swap', device: path, name: path, pid: null }));
}

function stackedHolders(names: readonly BlockName[], roots: SystemRoots): readonly Holder[] {
  const loops = configuredLoops(roots);
  return names.flatMap(({ name, path }) => {
    const over = loops.filter(({ backingFile }) => backingFile === path);
    return [...devicesOnTop(name, roots), ...over.map(({ device }) => device)].map(
      (top): Holder => ({ kind: 'device', device: path, name: top, pid: null }),
    );
  });
}

async function processHolders(
  names: readonly BlockName[],
  pids: readonly number[],
  roots: SystemRoots,
  ignoredPid: number | undefined,
): Promise<readonly Holder[]> {
  const byNumber = new Map(names.map(({ number, path }) => [number, path]));
  const holders: Holder[] = [];
  await eachProcess(pids, (pid) => {
    if (pid === ignoredPid) return;
    const devices = new Set<string>();
    for (const { link, target } of openFiles(pid, roots)) {
      // stat() of a file on a dead network file system would hang: ask only about device nodes.
      if (!target.includes('/dev/')) continue;
      const device = byNumber.get(deviceBehind(link));
      if (device !== undefined) devices.add(device);
    }
    for (const device of devices) holders.push(processHolder(device, pid, roots));
  });
  return holders;
}

function openFiles(
  pid: number,
  roots: SystemRoots,
): readonly { readonly link: string; readonly target: string }[] {
  const directory = join(roots.proc, String(pid), 'fd');
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch {
    return []; // gone, or not ours to look at
  }
  const files: { link: string; target: string }[] = [];
  for (const name of names) {
    const link = join(directory, name);
    try {
      files.push({ link, target: readlinkSync(link) });
    } catch {
      // Closed meanwhile.
    }
  }
  return files;
}

/** st_rdev of the block device a link in /proc/PID/fd leads to; -1 when it is none. */
function deviceBehind(link: string): bigint {
  try {
    const stats = statSync(link, { bigint: true });
    return stats.isBlockDevice() ? stats.rdev : -1n;
  } catch {
    return -1n;
  }
}

function processHolder(device: string, pid: number, roots: SystemRoots): Holder {
  let name = 'a process';
  try {
    name = readFileSync(join(roots.proc, String(pid), 'comm'), 'utf8').trim();
  } catch {
    // It has just ended; its number is still worth telling.
  }
  return { kind: 'process', device, name, pid };
}
