/** Bytes that a real program or kernel made, written down in test/golden. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectDirectory } from './project';

/** `length` bytes as a file of test/golden has them, in lines of "offset: bytes". */
export function golden(name: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const path = join(projectDirectory, 'test/golden', `${name}.hex`);
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const match = /^([0-9a-f]{6}): (.*)$/.exec(line);
    if (!match) continue;
    const row = match[2]!.split(' ').map((digits) => parseInt(digits, 16));
    bytes.set(row, parseInt(match[1]!, 16));
  }
  return bytes;
}
