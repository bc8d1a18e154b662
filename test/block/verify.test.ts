/** Nothing that passes through the device comes out changed. */
import { beforeEach, afterEach, describe, expect, test } from 'vitest';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { command } from '../support/commands';
import { Product, needsRoot, systemText } from './product';

interface FioReport {
  readonly jobs: readonly { readonly error: number; readonly write: { total_ios: number } }[];
}

describe('data through the device', () => {
  let product: Product;
  beforeEach((context) => {
    needsRoot(context);
    product = new Product();
  });
  afterEach(() => product.end());

  test('fio: random writes of 512 B to 64 KiB, 16 in flight, verified by crc32c', async () => {
    const disk = await product.attach(product.workspace.image('verify.img', 96));
    const report = JSON.parse(
      await command(
        'fio',
        '--name=verify',
        `--filename=${disk.device}`,
        '--rw=randwrite',
        '--bsrange=512-64k',
        '--bs_unaligned=0',
        '--blockalign=512',
        '--iodepth=16',
        '--ioengine=libaio',
        '--direct=1',
        '--verify=crc32c',
        '--verify_fatal=1',
        '--do_verify=1',
        '--verify_state_save=0', // it would be saved in the project's directory
        '--size=96m',
        '--output-format=json',
      ),
    ) as FioReport;
    expect(report.jobs[0]?.error).toBe(0);
    expect(report.jobs[0]?.write.total_ios).toBeGreaterThan(1000);
    const lengths = new Set((await product.requests(disk)).map(({ length }) => length));
    expect(lengths.has('512')).toBe(true);
    expect(lengths.size).toBeGreaterThan(50);
    await product.detach(disk);
  });

  test('ext4 made through the device is clean there and in the image after detach', async () => {
    const image = product.workspace.image('ext4.img', 64);
    const disk = await product.attach(image);
    await command('mkfs.ext4', '-q', '-F', disk.device);
    await command('e2fsck', '-f', '-n', disk.device);
    await product.detach(disk);
    expect(await command('e2fsck', '-f', '-n', image)).toContain('ext4.img: 11/');
  });

  test('files written on a mount have the same checksums after a remount and in the image', async () => {
    const image = product.workspace.image('files.img', 64);
    const disk = await product.attach(image);
    await command('mkfs.ext4', '-q', '-F', disk.device);
    await product.mount(disk.device);
    const written = new Map<string, string>();
    const folder = join(product.mountPoint, 'folder');
    mkdirSync(folder);
    for (let number = 0; number < 40; number++) {
      const bytes = randomBytes(1 + ((number * 37_813) % 400_000));
      written.set(`file-${number}`, createHash('sha256').update(bytes).digest('hex'));
      writeFileSync(join(folder, `file-${number}`), bytes);
    }
    const readBack = () =>
      new Map(
        readdirSync(folder).map((name) => [
          name,
          createHash('sha256')
            .update(readFileSync(join(folder, name)))
            .digest('hex'),
        ]),
      );
    await product.unmount();
    await product.mount(disk.device, '-o', 'ro');
    expect(readBack()).toEqual(written);
    await product.unmount();
    await product.detach(disk);
    // The image itself, with nothing of ours between.
    await product.mount(image, '-o', 'loop,ro');
    expect(readBack()).toEqual(written);
    await product.unmount();
  });

  test('the loop device uses direct I/O, so that no page is cached twice', async () => {
    const disk = await product.attach(product.workspace.image('direct.img', 8));
    expect(systemText(disk.device, 'loop/dio')).toBe('1');
    await product.detach(disk);
  });
});
