/** How much of a payload is read to find what is in it: each byte a few times, whatever it holds. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { noRegions, type Regions } from '../../../renderer/structures/regions';
import { recognise } from '../../../renderer/structures/recognise';
import { survey } from '../../../renderer/structures/survey';

const KIB = 1024;
const MIB = 1 << 20;
const SECTOR = 512;
/** Of a directory. */
const ENTRY = 32;
/** Numbers read of an entry, each at its place: some of them more than once. */
const READS_AN_ENTRY = 48;
/** By all that look for a magic in a sector. */
const READS_A_SECTOR = 60;
const mostReads = (bytes: number): number =>
  (bytes / ENTRY) * READS_AN_ENTRY + (bytes / SECTOR) * READS_A_SECTOR;

/** Numbers read of any bytes, since it was last set to 0. */
let reads = 0;
/** Bytes copied by Uint8Array.slice, likewise. */
let copied = 0;
type Read = (this: DataView, at: number, isLittle?: boolean) => number | bigint;
const readers = (['getUint8', 'getUint16', 'getUint32', 'getBigUint64'] as const).map(
  (name) => [name, Reflect.get(DataView.prototype, name) as Read] as const,
);
const slice = Reflect.get(Uint8Array.prototype, 'slice');

beforeEach(() => {
  for (const [name, read] of readers) {
    const counted: Read = function (at, isLittle) {
      reads++;
      return read.call(this, at, isLittle);
    };
    Object.assign(DataView.prototype, { [name]: counted });
  }
  Uint8Array.prototype.slice = function (from, to) {
    const copy = slice.call(this, from, to);
    copied += copy.length;
    return copy;
  };
});
afterEach(() => {
  Object.assign(DataView.prototype, Object.fromEntries(readers));
  Uint8Array.prototype.slice = slice;
});

/** Where the clusters begin on the volumes below. */
const HEAP = MIB;

/** What the boot sector `boot` at the beginning of a disk says of it. */
const surveyed = (boot: Uint8Array): Promise<Regions> =>
  survey(8 * 1024 * MIB, (offset, length) => {
    const bytes = new Uint8Array(length);
    if (offset < SECTOR) bytes.set(boot.subarray(offset, offset + length));
    return Promise.resolve(bytes);
  });

function exFat(clusterBytes: number): Promise<Regions> {
  const boot = new Uint8Array(SECTOR);
  boot.set(new TextEncoder().encode('EXFAT   '), 3);
  const view = new DataView(boot.buffer);
  view.setUint32(80, 128, true);
  view.setUint32(84, 128, true);
  view.setUint32(88, HEAP / SECTOR, true);
  view.setUint32(92, 10_000, true);
  view.setUint32(96, 5, true);
  view.setUint8(108, Math.log2(SECTOR));
  view.setUint8(109, Math.log2(clusterBytes / SECTOR));
  view.setUint16(510, 0xaa55, true);
  return surveyed(boot);
}

function fat(clusterBytes: number): Promise<Regions> {
  const sector = 4096;
  const boot = new Uint8Array(SECTOR);
  const view = new DataView(boot.buffer);
  view.setUint8(0, 0xeb);
  view.setUint16(11, sector, true);
  view.setUint8(13, clusterBytes / sector);
  view.setUint16(14, HEAP / sector - 64, true);
  view.setUint8(16, 1);
  view.setUint8(21, 0xf8);
  view.setUint32(32, HEAP / sector + 20_000 * (clusterBytes / sector), true);
  view.setUint32(36, 64, true);
  // Not among the clusters that are read here.
  view.setUint32(44, 10_000, true);
  view.setUint16(510, 0xaa55, true);
  return surveyed(boot);
}

/** A MiB of entries that begin with `entry`. */
function entries(entry: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(MIB);
  for (let at = 0; at < MIB; at += ENTRY) bytes.set(entry, at);
  return bytes;
}

const hostile: readonly (readonly [string, Uint8Array])[] = [
  ['files without a date', entries([...Array<number>(11).fill(0x41), 0x20])],
  [
    'parts of a long name that never ends',
    entries([0x13, 0x41, ...Array<number>(9).fill(0), 0x0f]),
  ],
  ['streams of exFAT without a file', entries([0xc0, 3, 0, 1])],
];

/** An INDX record of 4 KiB with one entry, the last, in each 4 KiB of a MiB. */
function indexRecords(): Uint8Array {
  const record = new Uint8Array(4 * KIB);
  record.set(new TextEncoder().encode('INDX'));
  const view = new DataView(record.buffer);
  view.setUint16(4, 40, true);
  view.setUint16(6, record.length / SECTOR + 1, true);
  view.setUint32(24, 64, true);
  view.setUint32(28, 64 + 16, true);
  view.setUint32(32, record.length - 24, true);
  view.setUint16(24 + 64 + 8, 16, true);
  view.setUint16(24 + 64 + 12, 2, true);
  const bytes = new Uint8Array(MIB);
  for (let at = 0; at < MIB; at += record.length) bytes.set(record, at);
  return bytes;
}

/** Numbers read of `bytes`, from device byte `device` on, to find what is in them. */
function readsOf(bytes: Uint8Array, device: number, regions: Regions): number {
  reads = 0;
  recognise(bytes, device, regions);
  return reads;
}

describe.each([
  ['exFAT', exFat],
  ['FAT', fat],
] as const)('a payload in the clusters of %s', (_, volume) => {
  it.each([32, 128])('of %i KiB is read once, whatever it is made of', async (size) => {
    const regions = await volume(size * KIB);
    expect(regions.at(HEAP)).toHaveLength(1);
    // Most values are no entry: a short payload shows which are looked at further.
    const short = new Uint8Array(40 * KIB);
    const values = Array.from({ length: 256 }, (_, value) => value).filter((value) => {
      const few = readsOf(short.fill(value), HEAP, regions);
      expect(few, `of ${value}`).toBeLessThan(mostReads(short.length));
      return few > (short.length / SECTOR) * READS_A_SECTOR;
    });
    const long = values.map((value) => [`of ${value}`, new Uint8Array(MIB).fill(value)] as const);
    for (const [what, bytes] of long) {
      expect(readsOf(bytes, HEAP, regions), what).toBeLessThan(mostReads(MIB));
    }
    // These begin within a cluster.
    for (const [what, bytes] of hostile) {
      expect(readsOf(bytes, HEAP + 3 * SECTOR, regions), what).toBeLessThan(mostReads(MIB));
    }
  });
});

it('a payload of index records of NTFS is copied once', () => {
  copied = 0;
  const found = recognise(indexRecords(), 0, noRegions);
  expect(found).toHaveLength(MIB / (4 * KIB));
  expect(found[0]).toMatchObject({ name: 'NTFS index record', confidence: 'checked' });
  expect(copied).toBeLessThan(2 * MIB);
});
