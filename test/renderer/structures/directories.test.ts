/** Directories of FAT, exFAT and NTFS, as real programs fill them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { recognise } from '../../../renderer/structures/recognise';
import { survey } from '../../../renderer/structures/survey';
import type { Structure } from '../../../renderer/structures/structure';
import { Device, field, golden, hasProgram, Images, named, overwrite, run, value } from './images';

vi.setConfig({ testTimeout: 60_000 });

const MIB = 1 << 20;
const images = new Images();
afterAll(() => images.remove());

const withPrograms = (...programs: readonly string[]) =>
  it.skipIf(!programs.every((name) => hasProgram(name)));

const names = (structure: Structure): string[] =>
  (structure.children?.() ?? []).map(({ name }) => name);

/** A file of five bytes to copy into images. */
function small(): string {
  const path = join(images.folder, 'small');
  writeFileSync(path, 'hello');
  return path;
}

describe.each([
  [12, 16],
  [16, 16],
  [32, 64],
])('FAT%i, filled by mtools (needs dosfstools, mtools)', (width, size) => {
  const made = (): string => {
    const path = images.make(`fat${width}.img`, size * MIB);
    const clusters = width === 12 ? ['-s', '16'] : [];
    run('mkfs.fat', ['-F', String(width), ...clusters, '-n', 'BIOSCOPE', path]);
    run('mmd', ['-i', path, '::inner']);
    const copy = (name: string) => run('mcopy', ['-i', path, small(), `::${name}`]);
    copy('README.TXT');
    copy('a name that is long enough for three.parts');
    copy('inner/one that stays, name and all.txt');
    copy('inner/one that goes.txt');
    copy('inner/lower.txt');
    run('mdel', ['-i', path, '::inner/one that goes.txt']);
    return path;
  };

  withPrograms('mkfs.fat', 'mcopy')('has a root directory and one within', async () => {
    const path = made();
    const device = new Device(path);
    try {
      // All that is before the clusters and the first of them, of which FAT32 has more.
      const requests = [0, MIB].map((offset) => device.recognise(offset, MIB));
      const found = (await Promise.all(requests)).flat();
      const root = named(found, 'FAT root directory');
      expect(root.confidence).toBe('location');
      expect(names(root)).toEqual([
        '"BIOSCOPE"',
        '"inner"',
        '"README.TXT"',
        '"a name that is long enough for three.parts"',
      ]);
      const long = '"a name that is long enough for three.parts"';
      expect(field(root, long)).toMatchObject({ value: 'ANAMET~1.PAR', meaning: '5 bytes' });
      expect(field(root, long).length).toBe(5 * 32);
      expect(field(root, '"README.TXT"', 'DIR_WrtDate').meaning).toMatch(/^20\d\d-\d\d-\d\d$/);
      const inner = named(found, 'FAT directory');
      expect(inner.confidence).toBe('shape');
      expect(inner.evidence).toContain('"." and ".."');
      expect(inner.meaning).toBe(`from cluster ${value(root, '"inner"', 'DIR_FstClusLO')} on`);
      const stays = names(inner).filter((name) => name !== 'part of a long name');
      expect(stays).toEqual([
        '"."',
        '".."',
        '"one that stays, name and all.txt"',
        '"?NETHA~2.TXT"',
        '"lower.txt"',
      ]);
      expect(field(inner, '"?NETHA~2.TXT"').meaning).toBe('deleted, 5 bytes');
    } finally {
      device.close();
    }
  });
});

describe('what looks a little like a directory of FAT', () => {
  withPrograms('mkfs.fat')('is none', async () => {
    const path = images.make('plain.img', 16 * MIB);
    run('mkfs.fat', ['-F', '16', path]);
    const device = new Device(path);
    const regions = await survey(device.size, device.read);
    device.close();
    const told = (bytes: Uint8Array) => recognise(bytes, 8 * MIB, regions).map(({ name }) => name);
    const entry = (letters: string, change: (view: DataView) => void = () => undefined) => {
      const bytes = new Uint8Array(32);
      bytes.set(new TextEncoder().encode(letters.padEnd(11)));
      const view = new DataView(bytes.buffer);
      view.setUint8(11, 0x20);
      view.setUint16(24, 0x5d76, true);
      view.setUint16(26, 5, true);
      change(view);
      return bytes;
    };
    const cluster = (...entries: readonly Uint8Array[]) => {
      const bytes = new Uint8Array(2048);
      entries.forEach((one, index) => bytes.set(one, index * 32));
      return bytes;
    };
    const good = entry('GOOD    TXT');
    expect(told(cluster(good, entry('OTHER   TXT')))).toEqual(['FAT directory']);
    const wrong: readonly (readonly [string, Uint8Array])[] = [
      ['one entry', cluster(good)],
      ['small letters', cluster(good, entry('other   txt'))],
      [
        'an attribute there is none of',
        cluster(
          good,
          entry('A', (view) => view.setUint8(11, 0x60)),
        ),
      ],
      [
        'a month 13',
        cluster(
          good,
          entry('A', (view) => view.setUint16(24, 0x5db6, true)),
        ),
      ],
      [
        'a time of 25 hours',
        cluster(
          good,
          entry('A', (view) => view.setUint16(22, 0xc800, true)),
        ),
      ],
      [
        'a cluster past the end',
        cluster(
          good,
          entry('A', (view) => view.setUint16(26, 0xfff0, true)),
        ),
      ],
      ['no dates', cluster(...[0, 1].map(() => entry('A', (view) => view.setUint16(24, 0, true))))],
      ['something behind its end', cluster(good, good, new Uint8Array(32), good)],
      ['text', new TextEncoder().encode('A PLAIN TEXT IN CAPITALS. '.repeat(80))],
    ];
    for (const [what, bytes] of wrong) expect(told(bytes), what).toEqual([]);
  });
});

describe('exFAT', () => {
  withPrograms('mkfs.exfat')('has a root directory with files (needs exfatprogs)', async () => {
    const path = images.make('exfat.img', 8 * MIB);
    run('mkfs.exfat', ['-L', 'empty', path]);
    const device = new Device(path);
    const boot = named(await device.recognise(0, 4096), 'exFAT boot sector');
    const number = (name: string) => Number(value(boot, name));
    const clusterBytes = 512 * 2 ** number('SectorsPerClusterShift');
    const root =
      number('ClusterHeapOffset') * 512 +
      (number('FirstClusterOfRootDirectory') - 2) * clusterBytes;
    const empty = named(await device.recognise(root, 4096), 'exFAT root directory');
    expect(empty).toMatchObject({ confidence: 'location', value: '3 entries' });
    expect(value(empty, 'volume label')).toBe('"empty"');
    overwrite(path, root, golden('exfat-directory', 4096));
    const full = named(await device.recognise(root, 4096), 'exFAT root directory');
    expect(full).toMatchObject({ confidence: 'checked', length: 4096 });
    expect(full.evidence).toBe('3 of 3 checksums of files are right');
    expect(names(full).filter((name) => name.startsWith('"'))).toEqual([
      '"sub"',
      '"a name of more than fifteen letters 1.txt"',
      '"a name of more than fifteen letters 3.txt"',
    ]);
    const file = field(full, '"a name of more than fifteen letters 1.txt"');
    expect(file.meaning).toBe('6 bytes');
    expect(field(file, 'SetChecksum').meaning).toBe('right');
    expect(field(file, 'LastModifiedTimestamp').meaning).toBe('2026-11-22 21:33:46');
    expect(value(file, 'stream extension', 'NameLength')).toBe('41');
    // Elsewhere than at the root's place it is a directory by its checksums alone.
    const regions = await survey(device.size, device.read);
    const bytes = golden('exfat-directory', 4096);
    const [other] = recognise(bytes, root + clusterBytes, regions);
    expect(other).toMatchObject({ name: 'exFAT directory', confidence: 'checked' });
    bytes[0x60 + 9] = 0xff;
    const [broken] = recognise(bytes, root + clusterBytes, regions);
    expect(broken).toMatchObject({ confidence: 'damaged' });
    expect(field(broken!, '"sub"').isWrong).toBe(true);
    bytes[0] = 0x7f;
    expect(recognise(bytes.subarray(0, 512), root + clusterBytes, regions)).toEqual([]);
    device.close();
  });
});

describe('NTFS', () => {
  withPrograms('mkntfs', 'ntfscp')('has index records with names (needs ntfs-3g)', async () => {
    const path = images.make('ntfs.img', 16 * MIB);
    run('mkntfs', ['-F', '-q', '-Q', path]);
    run('ntfscp', ['-q', path, small(), 'a file with a name.txt']);
    const device = new Device(path);
    const boot = named(await device.recognise(0, 512), 'NTFS boot sector');
    const clusterBytes = 512 * Number(value(boot, 'sectors_per_cluster'));
    const records = await device.recognise(Number(value(boot, 'mft_lcn')) * clusterBytes, 16384);
    const root = records[5]!;
    expect(value(root, '$INDEX_ROOT', 'index_block_size')).toBe('4096');
    expect(field(root, '$INDEX_ROOT', 'index.type').meaning).toBe('$FILE_NAME');
    expect(field(root, '$INDEX_ROOT', 'end').length).toBe(24);
    const [, cluster] = /^cluster (\d+)/.exec(field(root, '$INDEX_ALLOCATION').meaning) ?? [];
    const index = named(
      await device.recognise(Number(cluster) * clusterBytes, 4096),
      'NTFS index record',
    );
    expect(index).toMatchObject({ length: 4096, confidence: 'checked', meaning: 'names of files' });
    const listed = names(index).filter((name) => name.startsWith('"'));
    expect(listed).toEqual(
      expect.arrayContaining(['"$MFT"', '"$Volume"', '"a file with a name.txt"']),
    );
    expect(index.value).toBe(`${listed.length} entries`);
    const file = field(index, '"a file with a name.txt"');
    expect(file.meaning).toMatch(/ bytes$/);
    expect(field(file, 'parent_directory').meaning).toBe('record 5');
    expect(file.value).toBe(
      /Dumping Inode (\d+)/.exec(run('ntfsinfo', ['-F', 'a file with a name.txt', path]))?.[1],
    );
    const torn = device.bytes(Number(cluster) * clusterBytes, 4096);
    device.close();
    torn[1022] = (torn[1022] ?? 0) ^ 1;
    const regions = await survey(0, () => Promise.resolve(null));
    expect(recognise(torn, 0, regions)[0]).toMatchObject({ confidence: 'damaged' });
  });
});
