/** The hash tree of a large directory, as e2fsck makes it and debugfs reports it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Device, field, hasProgram, Images, run, value } from './images';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const MIB = 1 << 20;
const BLOCK = 1024;

describe.skipIf(!hasProgram('debugfs') || !hasProgram('e2fsck'))(
  'a large directory of ext4 (needs e2fsprogs)',
  () => {
    const images = new Images();
    let path: string;
    let device: Device;

    beforeAll(() => {
      const folder = join(images.folder, 'files', 'large');
      mkdirSync(folder, { recursive: true });
      for (let index = 0; index < 1200; index++) {
        writeFileSync(join(folder, `${index}-${'x'.repeat(200)}`), '');
      }
      path = images.make('ext4.img', 16 * MIB);
      const root = join(images.folder, 'files');
      run('mke2fs', ['-q', '-t', 'ext4', '-b', String(BLOCK), '-N', '2000', '-d', root, path]);
      // Its exit status is 1: it has changed the file system.
      run('sh', ['-c', 'e2fsck -fyD "$1" || test $? -eq 1', 'sh', path]);
      device = new Device(path);
    });
    afterAll(() => {
      device.close();
      images.remove();
    });

    const blockOf = (number: number): number =>
      Number(run('debugfs', ['-R', `bmap /large ${number}`, path]).trim());
    const at = async (number: number) => {
      const found = await device.recognise(blockOf(number) * BLOCK, BLOCK);
      expect(found).toHaveLength(1);
      return found[0]!;
    };

    it('has a root and nodes with hashes, above blocks with entries', async () => {
      const dump = run('debugfs', ['-R', 'htree_dump /large', path]);
      const root = await at(0);
      expect(root).toMatchObject({
        name: 'ext4 hash tree root',
        length: BLOCK,
        confidence: 'shape',
      });
      expect(value(root, 'info.indirect_levels')).toBe(/Indirect levels: (\d+)/.exec(dump)?.[1]);
      expect(value(root, 'info.hash_version')).toBe(/Hash Version: (\d+)/.exec(dump)?.[1]);
      expect(value(root, 'count')).toBe(/Number of entries \(count\): (\d+)/.exec(dump)?.[1]);
      expect(value(root, 'limit')).toBe(/Number of entries \(limit\): (\d+)/.exec(dump)?.[1]);
      const inode = /Inode: (\d+)/.exec(run('debugfs', ['-R', 'stat /large', path]))?.[1];
      expect(value(root, 'dot.inode')).toBe(inode);
      // "Entry #1: Hash 0x12345678, block 9"
      const [, hash, block] = /Entry #1: Hash 0x([0-9a-f]+), block (\d+)/.exec(dump) ?? [];
      expect(value(root, 'entries[1]')).toBe(`block ${block}`);
      expect(value(root, 'entries[1]', 'hash')).toBe(`0x${hash?.padStart(8, '0')}`);
      const node = await at(Number(value(root, 'entries[0].block')));
      expect(node.name).toBe('ext4 hash tree node');
      expect(Number(value(node, 'count'))).toBeGreaterThan(1);
      expect(field(node, 'dt_checksum').length).toBe(4);
      const leaf = await at(Number(value(node, 'entries[0].block')));
      expect(leaf.name).toBe('ext4 directory block');
    });

    it('is none where a hash is lower than the one before, or a block is none', async () => {
      const { recognise } = await import('../../../renderer/structures/recognise');
      const { survey } = await import('../../../renderer/structures/survey');
      const regions = await survey(device.size, device.read);
      const place = blockOf(0) * BLOCK;
      const bytes = device.bytes(place, BLOCK);
      for (const [change, width] of [
        [32 + 8, 4],
        [32 + 12, 4],
      ] as const) {
        const broken = bytes.slice();
        broken.fill(change === 40 ? 0xff : 0, change, change + width);
        const [found] = recognise(broken, place, regions);
        expect(found?.name).toBe('ext4 directory block');
      }
    });
  },
);
