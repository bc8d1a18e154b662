/** Garbage: whatever the bytes, nothing throws, nothing hangs, no field lies outside. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it, test, vi } from 'vitest';
import { recognise } from '../../../renderer/structures/recognise';
import { survey } from '../../../renderer/structures/survey';
import { corpusPrograms, makeCorpus, type Sample } from './corpus';
import { hasProgram } from './images';
import { execute, surveyed } from './walk';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const random = { numRuns: 150 };
/** Bytes where numbers and magics of small disks lie: changes elsewhere rarely matter. */
const interesting = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff];

describe('bytes that are no structure', () => {
  it('of any kind and length are taken', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 8192 }),
        fc.integer({ min: 0, max: 64 }),
        async (bytes, sector) => {
          await execute(bytes, sector * 512, 1 << 30);
        },
      ),
      random,
    );
  });

  it('that are a MiB of one value take no time worth telling', async () => {
    for (const value of interesting) {
      await execute(new Uint8Array(1 << 20).fill(value), 0, 1 << 40);
    }
  });
});

test('a chain of extended partitions without volumes is followed for a while only', async () => {
  let reads = 0;
  await survey(1 << 30, (offset, length) => {
    reads++;
    const bytes = new Uint8Array(length);
    const view = new DataView(bytes.buffer);
    if (length === 512 && offset % 512 === 0) {
      view.setUint8(446 + 4, 0x05);
      // The first from the disk's beginning, the others from the first.
      view.setUint32(446 + 8, offset === 0 ? 1 : offset / 512, true);
      view.setUint32(446 + 12, 1000, true);
      view.setUint16(510, 0xaa55, true);
    }
    return Promise.resolve(bytes);
  });
  expect(reads).toBeGreaterThan(64);
  expect(reads).toBeLessThan(200);
});

/** What the samples must have beside superblocks and boot sectors. */
const inside = [
  'FAT directory',
  'FAT root directory',
  'NTFS MFT record',
  'NTFS index record',
  'XFS directory of one block',
  'XFS free list of a group (AGFL)',
  'XFS free space of a group (AGF)',
  'XFS inode',
  'XFS inodes of a group (AGI)',
  'XFS log record header',
  'XFS tree of free inodes',
  'XFS tree of free space, by block',
  'XFS tree of free space, by length',
  'XFS tree of inodes',
  'XFS tree of owners',
  'exFAT root directory',
  'ext4 directory block',
  'ext4 hash tree root',
];

const canMake = corpusPrograms.every((program) => hasProgram(program));

describe.skipIf(!canMake)('structures that were changed (need the mkfs programs)', () => {
  let samples: readonly Sample[];
  beforeAll(() => {
    samples = makeCorpus();
  });

  it('have blocks of many kinds, not only what is at the beginning of a volume', async () => {
    const kinds = new Set<string>();
    for (const { bytes, device, size } of samples) {
      const { regions } = await surveyed(bytes, 0, size);
      for (const { name } of recognise(bytes, device, regions)) kinds.add(name);
    }
    expect([...kinds].sort()).toEqual(expect.arrayContaining(inside));
  });

  it('in a few bytes are taken', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(),
        fc.array(fc.tuple(fc.nat(), fc.oneof(fc.constantFrom(...interesting), fc.nat(255))), {
          minLength: 1,
          maxLength: 24,
        }),
        async (which, changes) => {
          const sample = samples[which % samples.length]!;
          const bytes = sample.bytes.slice();
          for (const [place, value] of changes) bytes[place % bytes.length] = value;
          await execute(bytes, sample.device, sample.size);
        },
      ),
      { numRuns: 120 },
    );
  });

  it('at every length are taken', async () => {
    // Every length up to the end of the first sectors, then every sector's end and beside it.
    for (const { bytes, device, size } of samples) {
      const short = bytes.subarray(0, 16384);
      for (let length = 0; length <= short.length; length += length < 1100 ? 17 : 1021) {
        await execute(short.subarray(0, length), device, size);
      }
    }
  });

  it('cost a survey a bounded number of reads', async () => {
    for (const { bytes, device, size } of samples) {
      const { reads } = await surveyed(bytes, device, size);
      expect(reads).toBeLessThan(500);
    }
  });
});
