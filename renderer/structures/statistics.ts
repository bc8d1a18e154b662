/** What can be said of bytes without knowing any format. */

const SECTOR = 512;
const LONGEST_PATTERN = 16;
/** Entropy from which bytes look compressed or encrypted, in bits a byte, for this many of them at least. */
const RANDOM_ENTROPY = 7.9;
const RANDOM_BYTES = 4096;

export interface ByteStatistics {
  /** Shannon entropy of the bytes' frequencies: 0 to 8 bits a byte. */
  readonly entropy: number;
  /** The same for each 512 bytes, in order. */
  readonly sectors: Float32Array;
  readonly zeroBytes: number;
  /** In words: "all zero", "repeats 4 bytes: de ad be ef"; empty if there is nothing to say. */
  readonly hint: string;
}

function entropyOf(counts: Uint32Array, total: number): number {
  let bits = 0;
  for (const count of counts) {
    if (count > 0) bits -= (count / total) * Math.log2(count / total);
  }
  return Math.max(0, bits);
}

/** The shortest pattern that `bytes` repeat from beginning to end, of 16 bytes at most; 0 if none. */
export function repeatLength(bytes: Uint8Array): number {
  for (let length = 1; length <= LONGEST_PATTERN && length * 2 <= bytes.length; length++) {
    let index = length;
    while (index < bytes.length && bytes[index] === bytes[index - length]) index++;
    if (index === bytes.length) return length;
  }
  return 0;
}

function isText(bytes: Uint8Array): boolean {
  // The end of a text file's last block is zeroes.
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  if (end < 16) return false;
  for (let index = 0; index < end; index++) {
    const byte = bytes[index] ?? 0;
    if (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) return false;
  }
  try {
    // A character may be cut at either end.
    new TextDecoder('utf-8', { fatal: true }).decode(trimCut(bytes.subarray(0, end)));
    return true;
  } catch {
    return false;
  }
}

/** Without the parts of UTF-8 characters that begin before the bytes or end after them. */
function trimCut(bytes: Uint8Array): Uint8Array {
  const isContinuation = (byte: number | undefined) => byte !== undefined && (byte & 0xc0) === 0x80;
  let start = 0;
  while (start < 3 && isContinuation(bytes[start])) start++;
  let end = bytes.length;
  for (let back = 1; back <= 3 && end - back >= start; back++) {
    const byte = bytes[end - back] ?? 0;
    if (isContinuation(byte)) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    if (needed > back) end -= back;
    break;
  }
  return bytes.subarray(start, end);
}

function hintOf(bytes: Uint8Array, entropy: number, zeroBytes: number): string {
  if (bytes.length === 0) return '';
  if (zeroBytes === bytes.length) return 'all zero';
  const repeat = repeatLength(bytes);
  if (repeat > 0) {
    const pattern = Array.from(bytes.subarray(0, repeat), (byte) =>
      byte.toString(16).padStart(2, '0'),
    ).join(' ');
    return repeat === 1 ? `every byte is ${pattern}` : `repeats ${repeat} bytes: ${pattern}`;
  }
  if (isText(bytes)) return 'plain text';
  if (entropy >= RANDOM_ENTROPY && bytes.length >= RANDOM_BYTES) return 'compressed or encrypted';
  const zeroes = Math.floor((zeroBytes / bytes.length) * 100);
  return zeroes >= 10 ? `${zeroes} % zero` : '';
}

export function statisticsOf(bytes: Uint8Array): ByteStatistics {
  const counts = new Uint32Array(256);
  const sectors = new Float32Array(Math.ceil(bytes.length / SECTOR));
  const inSector = new Uint32Array(256);
  for (let sector = 0; sector < sectors.length; sector++) {
    const part = bytes.subarray(sector * SECTOR, (sector + 1) * SECTOR);
    inSector.fill(0);
    for (const byte of part) inSector[byte] = (inSector[byte] ?? 0) + 1;
    sectors[sector] = entropyOf(inSector, part.length);
    for (let value = 0; value < 256; value++) {
      counts[value] = (counts[value] ?? 0) + (inSector[value] ?? 0);
    }
  }
  const entropy = bytes.length === 0 ? 0 : entropyOf(counts, bytes.length);
  const zeroBytes = counts[0] ?? 0;
  return { entropy, sectors, zeroBytes, hint: hintOf(bytes, entropy, zeroBytes) };
}
