/** What /sys says about block devices. Everything here is read from memory and cannot block. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { systemRoots, type SystemRoots } from './roots';

/** A block device or partition as the kernel names it. */
export interface BlockName {
  /** E.g. "loop3p1". */
  readonly name: string;
  /** E.g. "/dev/loop3p1". */
  readonly path: string;
  /** st_rdev of its node. */
  readonly number: bigint;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** st_rdev of "major:minor", in the C library's encoding. */
export function deviceNumber(text: string): bigint {
  const [major = '0', minor = '0'] = text.split(':');
  const ma = BigInt(major);
  const mi = BigInt(minor);
  return (mi & 0xffn) | ((ma & 0xfffn) << 8n) | ((mi & ~0xffn) << 12n) | ((ma & ~0xfffn) << 32n);
}

/** "major:minor" of an st_rdev. */
export function deviceNumberText(rdev: bigint): string {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

function blockName(name: string, roots: SystemRoots): BlockName | null {
  const number = read(join(roots.sys, 'class/block', name, 'dev'));
  return number === null ? null : { name, path: `/dev/${name}`, number: deviceNumber(number) };
}

/** The kernel's name of the block device with this st_rdev, or null. */
export function nameOfDevice(rdev: bigint, roots: SystemRoots = systemRoots): BlockName | null {
  const uevent = read(join(roots.sys, 'dev/block', deviceNumberText(rdev), 'uevent'));
  const name = uevent === null ? undefined : /^DEVNAME=(.+)$/m.exec(uevent)?.[1];
  return name === undefined ? null : blockName(name.replaceAll('/', '!'), roots);
}

/** The device itself and its partitions, in order. Empty when it does not exist. */
export function deviceAndPartitions(
  device: string,
  roots: SystemRoots = systemRoots,
): readonly BlockName[] {
  const name = basename(device);
  const whole = blockName(name, roots);
  if (whole === null) return [];
  const directory = join(roots.sys, 'class/block', name);
  const partitions = list(directory)
    .filter((entry) => entry.startsWith(name) && existsSync(join(directory, entry, 'partition')))
    .map((entry) => blockName(entry, roots))
    .filter((entry) => entry !== null);
  const index = (entry: BlockName) => Number(/\d+$/.exec(entry.name)?.[0] ?? 0);
  return [whole, ...partitions.sort((a, b) => index(a) - index(b))];
}

/** Paths of the partitions the kernel found on the device. */
export function partitionsOf(device: string, roots: SystemRoots = systemRoots): readonly string[] {
  return deviceAndPartitions(device, roots)
    .slice(1)
    .map(({ path }) => path);
}

/** Devices stacked on top (device mapper, md), by the name people know. */
export function devicesOnTop(name: string, roots: SystemRoots = systemRoots): readonly string[] {
  return list(join(roots.sys, 'class/block', name, 'holders')).map((holder) => {
    const mapped = read(join(roots.sys, 'class/block', holder, 'dm/name'));
    return mapped === null ? `/dev/${holder}` : `/dev/mapper/${mapped}`;
  });
}

export interface LoopDevice {
  /** E.g. "/dev/loop3". */
  readonly device: string;
  /** Path of the backing file as the kernel prints it; after an unmount no path that exists. */
  readonly backingFile: string;
}

/** Every configured loop device. */
export function configuredLoops(roots: SystemRoots = systemRoots): readonly LoopDevice[] {
  const loops: LoopDevice[] = [];
  for (const name of list(join(roots.sys, 'block'))) {
    if (!/^loop\d+$/.test(name)) continue;
    const backingFile = read(join(roots.sys, 'block', name, 'loop/backing_file'));
    if (backingFile !== null) loops.push({ device: `/dev/${name}`, backingFile });
  }
  return loops;
}

export interface MappedDevice {
  /** As in /dev/mapper. */
  readonly name: string;
  /** Empty where it was given none. */
  readonly uuid: string;
  /** Size in bytes. */
  readonly size: bigint;
}

/** Every device-mapper device. */
export function mappedDevices(roots: SystemRoots = systemRoots): readonly MappedDevice[] {
  return list(join(roots.sys, 'block')).flatMap((device) => {
    const name = read(join(roots.sys, 'block', device, 'dm/name'));
    if (name === null) return [];
    const uuid = read(join(roots.sys, 'block', device, 'dm/uuid')) ?? '';
    const sectors = read(join(roots.sys, 'block', device, 'size')) ?? '0';
    return [{ name, uuid, size: BigInt(sectors) * 512n }];
  });
}

/** Size in bytes, and whether the kernel refuses writes; null when there is no such device. */
export function blockDeviceState(
  name: string,
  roots: SystemRoots = systemRoots,
): { readonly size: bigint; readonly readOnly: boolean } | null {
  const directory = join(roots.sys, 'class/block', name);
  const size = read(join(directory, 'size'));
  if (size === null) return null;
  // Always in units of 512 bytes, whatever the device's block size.
  return { size: BigInt(size) * 512n, readOnly: read(join(directory, 'ro')) === '1' };
}
