/** Reads /proc/PID/mountinfo. */
import { readFileSync } from 'node:fs';

export interface Mount {
  /** "major:minor" of the superblock. */
  readonly device: string;
  readonly mountPoint: string;
  readonly type: string;
  /** What was mounted, e.g. "/dev/loop3". */
  readonly source: string;
}

/** The kernel writes space, tab, newline and backslash as \ooo. */
export function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(parseInt(digits, 8)),
  );
}

/** A line is: id parent major:minor root mountpoint options [tags...] - type source options. */
export function parseMountTable(text: string): readonly Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const [front, back] = line.split(' - ');
    const [, , device, , mountPoint] = front?.split(' ') ?? [];
    const [type, source] = back?.split(' ') ?? [];
    if (device === undefined || mountPoint === undefined) continue;
    mounts.push({
      device,
      mountPoint: unescapeOctal(mountPoint),
      type: type ?? '',
      source: unescapeOctal(source ?? ''),
    });
  }
  return mounts;
}

/** The mounts a process sees; none when it is gone or not ours to look at. */
export function readMountTable(path: string): readonly Mount[] {
  try {
    return parseMountTable(readFileSync(path, 'utf8'));
  } catch {
    return [];
  }
}
