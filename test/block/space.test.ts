/** Blocks given back, blocks zeroed, and a medium that is full. */
import { beforeEach, afterEach, describe, expect, test } from 'vitest';
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { command } from '../support/commands';
import { Product, allocatedBytes, needsRoot } from './product';

const MEBIBYTE = 1 << 20;

async function fill(device: string, mebibytes: number): Promise<void> {
  const parameters = ['if=/dev/urandom', `of=${device}`, 'bs=1M', `count=${mebibytes}`];
  await command('dd', ...parameters, 'oflag=direct', 'conv=fsync', 'status=none');
}

describe('space in the image', () => {
  let product: Product;
  beforeEach((context) => {
    needsRoot(context);
    product = new Product();
  });
  afterEach(() => product.end());

  test('blkdiscard frees the blocks, which read as zeroes, and leaves the rest', async () => {
    const image = product.workspace.image('discard.img', 32);
    const disk = await product.attach(image);
    await fill(disk.device, 16);
    const before = allocatedBytes(image);
    expect(before).toBeGreaterThanOrEqual(16 * MEBIBYTE);
    const kept = readFileSync(image).subarray(12 * MEBIBYTE, 16 * MEBIBYTE);
    await command(
      'blkdiscard',
      '-o',
      String(4 * MEBIBYTE),
      '-l',
      String(8 * MEBIBYTE),
      disk.device,
    );
    expect(before - allocatedBytes(image)).toBeGreaterThanOrEqual(8 * MEBIBYTE);
    const after = readFileSync(image);
    expect(after.subarray(4 * MEBIBYTE, 12 * MEBIBYTE).every((byte) => byte === 0)).toBe(true);
    expect(after.subarray(12 * MEBIBYTE, 16 * MEBIBYTE).equals(kept)).toBe(true);
    const discards = (await product.requests(disk)).filter((row) => row.operation === 'discard');
    expect(discards.reduce((sum, { length }) => sum + Number(length), 0)).toBe(8 * MEBIBYTE);
    await product.detach(disk);
  });

  test('write-zeroes makes zeroes of what was there', async () => {
    const image = product.workspace.image('zeroes.img', 8);
    const disk = await product.attach(image);
    await fill(disk.device, 8);
    await command('blkdiscard', '-z', '-o', '4096', '-l', String(MEBIBYTE), disk.device);
    const after = readFileSync(image);
    expect(after.subarray(4096, MEBIBYTE + 4096).every((byte) => byte === 0)).toBe(true);
    expect(after.subarray(0, 4096).every((byte) => byte === 0)).toBe(false);
    expect((await product.requests(disk)).some((row) => row.operation === 'zeroes')).toBe(true);
    await product.detach(disk);
  });

  test('fstrim after deleting a file gives its blocks back', async () => {
    const image = product.workspace.image('trim.img', 64);
    const disk = await product.attach(image);
    await command('mkfs.ext4', '-q', '-F', disk.device);
    await product.mount(disk.device);
    writeFileSync(join(product.mountPoint, 'large'), randomBytes(24 * MEBIBYTE));
    await command('sync', '-f', product.mountPoint);
    const full = allocatedBytes(image);
    rmSync(join(product.mountPoint, 'large'));
    await command('sync', '-f', product.mountPoint);
    await command('fstrim', product.mountPoint);
    expect(full - allocatedBytes(image)).toBeGreaterThanOrEqual(20 * MEBIBYTE);
    await product.unmount();
    await product.detach(disk);
  });

  test('a full medium under a sparse image: the writer gets ENOSPC, and so says the trace', async () => {
    const small = join(product.workspace.directory, 'small');
    mkdirSync(small);
    await command('mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', small);
    try {
      const image = join(small, 'sparse.img');
      const file = openSync(image, 'wx');
      ftruncateSync(file, 16 * MEBIBYTE);
      closeSync(file);
      const disk = await product.attach(image);
      await expect(fill(disk.device, 12)).rejects.toThrow('No space left on device');
      const failed = (await product.requests(disk)).filter(({ error }) => error !== null);
      expect(failed.length).toBeGreaterThan(0);
      for (const row of failed) {
        expect(row.operation).toBe('write');
        expect(row.result).toBe('error');
        expect(row.error).toBe('ENOSPC');
      }
      // What fitted is there and the device still works.
      await command(
        'dd',
        `if=${disk.device}`,
        'of=/dev/null',
        'bs=1M',
        'iflag=direct',
        'status=none',
      );
      await product.detach(disk);
    } finally {
      await command('umount', small);
    }
  });
});
