/** What the device looks like: read-only, partitioned, with a tail, busy images. */
import { beforeEach, afterEach, describe, expect, test } from 'vitest';
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import { command, until } from '../support/commands';
import { Product, nameOf, needsRoot, systemText } from './product';

describe('the device', () => {
  let product: Product;
  beforeEach((context) => {
    needsRoot(context);
    product = new Product();
  });
  afterEach(() => product.end());

  test('attached read-only it refuses to be written, and the image stays as it was', async () => {
    const image = product.workspace.image('read-only.img', 4, true);
    const before = readFileSync(image);
    const disk = await product.attach(image, '--read-only');
    expect(disk.readOnly).toBe(true);
    expect(systemText(disk.device, 'ro')).toBe('1');
    const write = command(
      'dd',
      'if=/dev/zero',
      `of=${disk.device}`,
      'bs=4k',
      'count=1',
      'status=none',
    );
    await expect(write).rejects.toThrow(/Operation not permitted|Read-only file system/);
    await expect(command('mkfs.ext4', '-q', '-F', disk.device)).rejects.toThrow(disk.device);
    await product.detach(disk);
    expect(readFileSync(image).equals(before)).toBe(true);
  });

  test('partitions of a GPT in the image are found', async () => {
    const image = product.workspace.image('partitions.img', 32);
    const table = product.workspace.directory + '/table';
    appendFileSync(table, 'label: gpt\nsize=8MiB\nsize=4MiB\n');
    await command('sh', '-c', `sfdisk --quiet '${image}' < '${table}'`);
    const disk = await product.attach(image);
    const name = nameOf(disk.device);
    expect(systemText(disk.device, 'loop/partscan')).toBe('1');
    // A kernel without a parser for GPT (some small virtual machines) is told by partx.
    if (!existsSync(`/sys/block/${name}/${name}p1`)) await command('partx', '--add', disk.device);
    expect(systemText(disk.device, `${name}p1/size`)).toBe('16384');
    expect(systemText(disk.device, `${name}p2/size`)).toBe('8192');
    const listed = await until('the partitions are listed', async () => {
      const now = (await product.list()).find(({ id }) => id === disk.id);
      return now?.partitions.length === 2 ? now : null;
    });
    expect(listed.partitions).toEqual([`${disk.device}p1`, `${disk.device}p2`]);
    await product.detach(disk);
  });

  test('an odd tail is left out, said so, and never touched', async () => {
    const image = product.workspace.image('tail.img', 1);
    appendFileSync(image, 'the tail');
    const disk = await product.attach(image);
    expect(disk.size).toBe('1048576');
    expect(disk.tail).toBe('8');
    expect(disk.notes.join(' ')).toMatch(/8 bytes/);
    expect(await command('blockdev', '--getsize64', disk.device)).toBe('1048576\n');
    await command('blkdiscard', '-z', disk.device);
    await product.detach(disk);
    expect(
      readFileSync(image)
        .subarray(1 << 20)
        .toString(),
    ).toBe('the tail');
  });

  test('images that cannot be disks are refused with a reason', async () => {
    const empty = product.workspace.image('empty.img', 0);
    const short = product.workspace.image('short.img', 0);
    truncateSync(short, 511);
    const cases = [
      [empty, /empty/],
      [short, /sector/],
      [product.workspace.directory, /directory/],
      [`${product.workspace.directory}/missing.img`, /no such|not exist|missing|no file/i],
    ] as const;
    for (const [path, words] of cases) {
      const { status, stdout, stderr } = await product.run('attach', path);
      expect(status).toBe(1);
      expect(stdout).toBe('');
      expect(stderr).toMatch(words);
    }
    expect(await product.list()).toEqual([]);
  });

  test('an image that is attached already, by us or by another loop device, is refused', async () => {
    const image = product.workspace.image('twice.img', 4);
    const disk = await product.attach(image);
    const again = await product.run('attach', image);
    expect(again.status).toBe(1);
    expect(again.stderr).toContain(disk.device);
    await product.detach(disk);

    const loop = (await command('losetup', '--find', '--show', image)).trim();
    try {
      const other = await product.run('attach', image);
      expect(other.status).toBe(1);
      expect(other.stderr).toContain(loop);
    } finally {
      await command('losetup', '--detach', loop);
    }
  });
});
