/** XFS beyond its superblock, as mkfs.xfs makes it and xfs_db reports it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { recognise } from '../../../renderer/structures/recognise';
import { noRegions } from '../../../renderer/structures/regions';
import type { Structure } from '../../../renderer/structures/structure';
import { Device, field, hasProgram, Images, named, run, value } from './images';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const MIB = 1 << 20;
const BLOCK = 4096;

/** A file of /dev/null's length and these names in a directory, for mkfs.xfs -p. */
const directory = (name: string, files: readonly string[]): string =>
  [`${name} d--755 0 0`, ...files.map((file) => `${file} ---644 0 0 /dev/null`), '$'].join('\n');
const names = (count: number, stem: string): string[] =>
  Array.from({ length: count }, (_, index) => `${stem}-${index}`);

describe.skipIf(!hasProgram('mkfs.xfs') || !hasProgram('xfs_db'))(
  'XFS as mkfs.xfs makes it (needs xfsprogs)',
  () => {
    const images = new Images();
    let path: string;
    let device: Device;

    beforeAll(() => {
      path = images.make('xfs.img', 300 * MIB);
      const prototype = join(images.folder, 'prototype');
      const tree = [
        directory('few', names(3, 'inline')),
        directory('some', names(40, 'in-one-block')),
        directory('many', names(700, 'in-many-blocks')),
        'link l--777 0 0 some/where/else',
      ];
      writeFileSync(prototype, ['/', '0 0', 'd--755 0 0', ...tree, '$', ''].join('\n'));
      run('mkfs.xfs', ['-q', '-m', 'rmapbt=1,reflink=1', '-p', prototype, path]);
      device = new Device(path);
    });
    afterAll(() => {
      device.close();
      images.remove();
    });

    /** What xfs_db prints after these commands. */
    const printed = (...commands: readonly string[]): string =>
      run('xfs_db', ['-r', ...commands.flatMap((one) => ['-c', one]), path]);
    /** The same as { magicnum: "0x58414746", ... }. */
    const reported = (...commands: readonly string[]): Record<string, string> => {
      const lines = printed(...commands, 'print').split('\n');
      return Object.fromEntries(
        lines.map((line) => [line.split(' = ')[0] ?? '', line.split(' = ')[1] ?? '']),
      );
    };
    /** Byte of the device where xfs_db is after these commands. */
    const placeOf = (...commands: readonly string[]): number =>
      Number(/current daddr is (\d+)/.exec(printed(...commands, 'daddr'))?.[1]) * 512;
    /** The structure there, from a request of just `length` bytes. */
    const at = async (place: number, length = BLOCK): Promise<Structure> => {
      const found = await device.recognise(place, length);
      expect(found.length).toBeGreaterThan(0);
      expect(found[0]).toMatchObject({ offset: 0, confidence: 'checked' });
      return found[0]!;
    };

    it('has the headers of its groups', async () => {
      const found = await device.recognise(0, BLOCK);
      expect(found.map(({ name }) => name)).toEqual([
        'XFS superblock',
        'XFS free space of a group (AGF)',
        'XFS inodes of a group (AGI)',
        'XFS free list of a group (AGFL)',
      ]);
      for (const { confidence, length } of found) {
        expect([confidence, length]).toEqual(['checked', 512]);
      }
      const agf = reported('agf 0');
      for (const [ours, theirs] of [
        ['agf_length', 'length'],
        ['agf_bno_root', 'bnoroot'],
        ['agf_rmap_root', 'rmaproot'],
        ['agf_flcount', 'flcount'],
        ['agf_freeblks', 'freeblks'],
        ['agf_longest', 'longest'],
        ['agf_refcount_root', 'refcntroot'],
      ] as const) {
        expect(value(found[1]!, ours), ours).toBe(agf[theirs]);
      }
      expect(field(found[1]!, 'crc').meaning).toBe('right');
      const agi = reported('agi 0');
      for (const name of ['count', 'root', 'freecount', 'newino', 'free_root']) {
        expect(value(found[2]!, `agi_${name}`), name).toBe(agi[name]);
      }
      expect(value(found[3]!, 'agfl_bno', 'agfl_bno[1]')).toBe(
        /1:(\d+)/.exec(reported('agfl 0')['bno[0-118]'] ?? '')?.[1],
      );
    });

    it('has trees of free space, inodes, owners and shared extents', async () => {
      const agf = reported('agf 0');
      const agi = reported('agi 0');
      const roots: readonly (readonly [string, string | undefined, string])[] = [
        ['free space, by block', agf['bnoroot'], 'addr bnoroot'],
        ['free space, by length', agf['cntroot'], 'addr cntroot'],
        ['owners', agf['rmaproot'], 'addr rmaproot'],
        ['shared extents', agf['refcntroot'], 'addr refcntroot'],
        ['inodes', agi['root'], 'addr root'],
        ['free inodes', agi['free_root'], 'addr free_root'],
      ];
      for (const [about, block, command] of roots) {
        const tree = await at(Number(block) * BLOCK);
        expect(tree).toMatchObject({ name: `XFS tree of ${about}`, length: BLOCK });
        const group = about.includes('inodes') ? 'agi 0' : 'agf 0';
        const theirs = reported(group, command);
        expect(value(tree, 'bb_numrecs')).toBe(theirs['numrecs']);
        expect(value(tree, 'bb_blkno')).toBe(theirs['bno']);
        expect(tree.value).toMatch(new RegExp(`^${theirs['numrecs']} record`));
      }
      const [, first] = /1:\[(\d+,\d+)\]/.exec(printed('agf 0', 'addr bnoroot', 'print')) ?? [];
      const record = field(await at(Number(agf['bnoroot']) * BLOCK), 'record 1');
      expect(`${value(record, 'ar_startblock')},${value(record, 'ar_blockcount')}`).toBe(first);
    });

    it('has inodes whose content is in them, or in extents', async () => {
      const root = await at(placeOf('inode 128'), 512);
      expect(root).toMatchObject({ name: 'XFS inode', value: '128', length: 512 });
      const theirs = reported('inode 128');
      expect(value(root, 'di_size')).toBe(theirs['core.size']);
      expect(value(root, 'di_nlink')).toBe(theirs['core.nlinkv2']);
      expect(value(root, 'di_ino')).toBe(theirs['v3.inumber']);
      expect(field(root, 'di_mtime').value).toMatch(/^20\d\d-\d\d-\d\d .* UTC$/);
      expect(field(root, 'crc').meaning).toBe('right');
      const many = Number(value(root, 'data fork', '"many"'));
      expect(field(root, 'data fork', '"many"').meaning).toBe('directory');
      expect(value(root, 'data fork', 'parent')).toBe('128');
      const link = await at(placeOf(`inode ${value(root, 'data fork', '"link"')}`), 512);
      expect(value(link, 'data fork', 'target')).toBe('"some/where/else"');
      const inode = await at(placeOf(`inode ${many}`), 512);
      const [extent] = field(inode, 'data fork').children!();
      const shown = /0:\[0,(\d+),(\d+),0\]/.exec(printed(`inode ${many}`, 'print'));
      expect(extent?.value).toBe(`block ${shown?.[1]} +${shown?.[2]}`);
    });

    it('has directories: one block, data blocks, leaves and free space', async () => {
      const root = await at(placeOf('inode 128'), 512);
      const some = value(root, 'data fork', '"some"');
      const one = await at(placeOf(`inode ${some}`, 'dblock 0'));
      expect(one).toMatchObject({ name: 'XFS directory of one block', value: '42 entries' });
      expect(one.meaning).toBe(`directory of inode ${some}`);
      expect(value(one, '"."')).toBe(some);
      expect(field(one, '"in-one-block-39"').meaning).toBe('regular file');
      expect(value(one, 'count')).toBe(reported(`inode ${some}`, 'dblock 0')['btail.count']);
      const many = value(root, 'data fork', '"many"');
      const data = await at(placeOf(`inode ${many}`, 'dblock 1'));
      expect(data.name).toBe('XFS directory data block');
      expect(Number.parseInt(data.value)).toBeGreaterThan(50);
      const leaf = await at(placeOf(`inode ${many}`, 'dblock 8388608'));
      expect(leaf.name).toMatch(/^XFS directory (leaf|or attribute node)$/);
      expect(value(leaf, 'owner')).toBe(many);
    });

    it('has the record that mkfs.xfs puts into its log', async () => {
      const start = reported('sb 0')['logstart'];
      const place = placeOf(`fsblock ${start}`);
      const record = named(await device.recognise(place, BLOCK), 'XFS log record header');
      expect(record).toMatchObject({ offset: 0, length: 512, confidence: 'magic' });
      expect(value(record, 'h_cycle')).toBe('1');
      expect(value(record, 'h_fs_uuid')).toBe(reported('sb 0')['uuid']);
    });

    it('is told as damaged where a byte is wrong, and as cut where it ends', () => {
      const bytes = device.bytes(0, 2 * BLOCK);
      bytes[512 + 300] = 1;
      bytes[BLOCK + 2000] = 1;
      const found = recognise(bytes, 0, noRegions);
      const agf = named(found, 'XFS free space of a group (AGF)');
      expect(agf.confidence).toBe('damaged');
      expect(field(agf, 'crc').isWrong).toBe(true);
      expect(named(found, 'XFS tree of free space, by block').confidence).toBe('damaged');
      const [cut] = recognise(device.bytes(BLOCK, 512), BLOCK, noRegions);
      expect(cut).toMatchObject({ confidence: 'magic', length: 512 });
      expect(cut?.evidence).toBe('magic "AB3B", CRC-32C not checked');
    });
  },
);

it('two letters at the beginning of a sector are no inode of XFS', () => {
  const bytes = new Uint8Array(4096);
  for (let at = 0; at < bytes.length; at += 512) {
    bytes.set(new TextEncoder().encode('IN the beginning there was a text file'), at);
  }
  expect(recognise(bytes, 0, noRegions)).toEqual([]);
});
