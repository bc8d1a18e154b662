import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Device, field, hasProgram, Images, named, run, value } from './images';

const MIB = 1 << 20;

/** "Inode count:   16384" of dumpe2fs -h. */
function reported(header: string, name: string): string {
  const line = header.split('\n').find((text) => text.startsWith(`${name}:`));
  if (line === undefined) throw new Error(`dumpe2fs says nothing of ${name}`);
  return line.slice(name.length + 1).trim();
}

describe.skipIf(!hasProgram('mke2fs'))('ext4 as mke2fs makes it (needs e2fsprogs)', () => {
  const images = new Images();
  let path: string;
  let device: Device;
  let header: string;

  beforeAll(() => {
    const folder = join(images.folder, 'files');
    mkdirSync(join(folder, 'inner'), { recursive: true });
    writeFileSync(join(folder, 'hello.txt'), 'hello\n');
    symlinkSync('hello.txt', join(folder, 'link'));
    path = images.make('ext4.img', 64 * MIB);
    run('mke2fs', ['-q', '-t', 'ext4', '-b', '4096', '-L', 'bioscope', '-d', folder, path]);
    header = run('dumpe2fs', ['-h', path]);
    device = new Device(path);
  });
  afterAll(() => {
    device.close();
    images.remove();
  });

  it('has the superblock that dumpe2fs reports', async () => {
    const superblock = named(await device.recognise(0, 4096), 'ext4 superblock');
    expect(superblock).toMatchObject({ offset: 1024, length: 1024, confidence: 'checked' });
    expect(value(superblock, 's_magic')).toBe('0xef53');
    expect(field(superblock, 's_magic')).toMatchObject({ offset: 1024 + 0x38, length: 2 });
    expect(value(superblock, 's_uuid')).toBe(reported(header, 'Filesystem UUID'));
    expect(value(superblock, 's_volume_name')).toBe('"bioscope"');
    expect(value(superblock, 's_inodes_count')).toBe(reported(header, 'Inode count'));
    expect(value(superblock, 's_blocks_count_lo')).toBe(reported(header, 'Block count'));
    expect(value(superblock, 's_free_blocks_count_lo')).toBe(reported(header, 'Free blocks'));
    expect(value(superblock, 's_inode_size')).toBe(reported(header, 'Inode size'));
    expect(field(superblock, 's_log_block_size').meaning).toBe('blocks of 4096 bytes');
    const features = ['s_feature_compat', 's_feature_incompat', 's_feature_ro_compat']
      .flatMap((name) => field(superblock, name).meaning.split(' '))
      .sort();
    expect(features).toEqual(reported(header, 'Filesystem features').split(/\s+/).sort());
    expect(field(superblock, 's_checksum').meaning).toBe('right');
  });

  it('tells a checksum that is wrong', async () => {
    const bytes = device.bytes(0, 4096);
    bytes[1024 + 0x78] = 0x42;
    const { recognise } = await import('../../../renderer/structures/recognise');
    const { noRegions } = await import('../../../renderer/structures/regions');
    const superblock = named(recognise(bytes, 0, noRegions), 'ext4 superblock');
    expect(superblock.confidence).toBe('damaged');
    expect(field(superblock, 's_checksum')).toMatchObject({ isWrong: true });
    expect(field(superblock, 's_checksum').meaning).toMatch(/^should be 0x[0-9a-f]{8}$/);
  });

  it('has group descriptors by their place, with checksums that are right', async () => {
    const descriptors = named(await device.recognise(4096, 4096), 'ext4 group descriptors');
    expect(descriptors).toMatchObject({ offset: 0, confidence: 'checked' });
    const groups = run('dumpe2fs', [path]);
    const table = /Inode table at (\d+)/.exec(groups)?.[1];
    expect(value(descriptors, 'group 0', 'bg_inode_table_lo')).toBe(table);
    expect(field(descriptors, 'group 0', 'bg_checksum').meaning).toBe('right');
  });

  it('has inodes by their place, as debugfs reports them', async () => {
    const table = Number(/Inode table at (\d+)/.exec(run('dumpe2fs', [path]))?.[1]);
    const inodes = named(await device.recognise(table * 4096, 4096), 'ext4 inodes');
    expect(inodes).toMatchObject({ value: '1 to 16', confidence: 'checked', length: 4096 });
    expect(field(inodes, 'inode 2').meaning).toMatch(/^root directory, /);
    const stat = run('debugfs', ['-R', 'stat /hello.txt', path]);
    const number = /Inode: (\d+)/.exec(stat)?.[1];
    const block = /EXTENTS:\n\(0\):(\d+)/.exec(stat)?.[1];
    const inode = field(inodes, `inode ${number}`);
    expect(inode.value).toBe('regular file, 0644');
    expect(value(inode, 'i_size_lo')).toBe('6');
    expect(value(inode, 'i_block', 'extent 0', 'ee_start_lo')).toBe(block);
    expect(field(inode, 'l_i_checksum_lo').meaning).toBe('right');
    const link = field(
      inodes,
      `inode ${/Inode: (\d+)/.exec(run('debugfs', ['-R', 'stat /link', path]))?.[1]}`,
    );
    expect(link.value).toBe('symbolic link, 0777');
    expect(value(link, 'i_block')).toBe('"hello.txt"');
  });

  it('has directory blocks by their form', async () => {
    const block = Number(run('debugfs', ['-R', 'blocks /', path]).trim().split(' ')[0]);
    const directory = named(await device.recognise(block * 4096, 4096), 'ext4 directory block');
    expect(directory).toMatchObject({ confidence: 'shape', value: '6 entries' });
    expect(directory.meaning).toBe('the first block of inode 2');
    const names = (directory.children?.() ?? []).map(({ name }) => name);
    for (const name of ['"."', '".."', '"lost+found"', '"hello.txt"', '"inner"', '"link"', 'tail'])
      expect(names).toContain(name);
    expect(field(directory, '"hello.txt"').meaning).toBe('regular file');
  });

  it('has its journal, with what its transactions change', async () => {
    // debugfs writes a transaction without mounting: three blocks and a revocation.
    const block = join(images.folder, 'block');
    writeFileSync(block, device.bytes(4096, 4096));
    const script = `jo\njw -b 1 ${block}\njw -r 777\njc\n`;
    run('debugfs', ['-w', '-f', '-', path], script);
    const first = Number(run('debugfs', ['-R', 'blocks <8>', path]).trim().split(' ')[0]);
    const structures = await device.recognise(first * 4096, 16 * 4096);
    const journal = named(structures, 'JBD2 superblock, version 2');
    expect(value(journal, 's_blocksize')).toBe('4096');
    const descriptor = named(structures, 'JBD2 descriptor block');
    expect(value(descriptor, 'tag 0')).toBe('block 1');
    const copy = named(structures, 'JBD2 copy of a block');
    expect(copy.offset).toBe(descriptor.offset + 4096);
    expect(copy.meaning).toMatch(/^ext4 group descriptors /);
    expect(value(named(structures, 'JBD2 revoke block'), 'block 0')).toBe('777');
    const commit = named(structures, 'JBD2 commit block');
    expect(value(commit, 'h_sequence')).toBe(value(descriptor, 'h_sequence'));
    for (const { name, confidence } of structures) {
      expect(confidence, name).not.toBe('damaged');
    }
  });

  it('is found in a partition too', async () => {
    const disk = images.make('parted.img', 80 * MIB);
    run('sfdisk', ['-q', disk], 'label: gpt\nstart=2048\n');
    run('dd', [`if=${path}`, `of=${disk}`, 'bs=1M', 'seek=1', 'conv=notrunc', 'status=none']);
    const parted = new Device(disk);
    const table = Number(/Inode table at (\d+)/.exec(run('dumpe2fs', [path]))?.[1]);
    const inodes = named(await parted.recognise(MIB + table * 4096, 4096), 'ext4 inodes');
    expect(inodes.confidence).toBe('checked');
    parted.close();
  });
});

describe.skipIf(!hasProgram('mke2fs'))('older relatives (need e2fsprogs)', () => {
  it.each([
    ['ext2', 'magic'],
    ['ext3', 'magic'],
  ])('%s is told apart, and carries no checksum', async (type, confidence) => {
    const images = new Images();
    const path = images.make('old.img', 8 * MIB);
    run('mke2fs', ['-q', '-t', type, '-b', '1024', path]);
    const device = new Device(path);
    const structures = await device.recognise(0, 65536);
    expect(named(structures, `${type} superblock`).confidence).toBe(confidence);
    const table = Number(/Inode table at (\d+)/.exec(run('dumpe2fs', [path]))?.[1]);
    const inodes = named(await device.recognise(table * 1024, 4096), 'ext4 inodes');
    expect(field(inodes, 'inode 2').value).toBe('directory, 0755');
    device.close();
    images.remove();
  });
});
