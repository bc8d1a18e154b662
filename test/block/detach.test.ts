/** Detaching: refused while in use, naming the user; complete when it is done. */
import { beforeEach, afterEach, describe, expect, test } from 'vitest';
import { readFileSync } from 'node:fs';
import { background, command, until } from '../support/commands';
import { Product, isConfigured, needsRoot } from './product';

describe('detach', () => {
  let product: Product;
  beforeEach((context) => {
    needsRoot(context);
    product = new Product();
  });
  afterEach(() => product.end());

  test('refused while mounted, naming the mount point; then it succeeds and leaves nothing', async () => {
    const disk = await product.attach(product.workspace.image('mounted.img', 16));
    await command('mkfs.ext4', '-q', '-F', disk.device);
    await product.mount(disk.device);
    const refused = await product.run('detach', disk.device);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain(product.mountPoint);
    expect(isConfigured(disk.device)).toBe(true);
    await command('touch', `${product.mountPoint}/still-works`);
    await product.unmount();
    await product.detach(disk);
    expect(isConfigured(disk.device)).toBe(false);
    expect(await product.list()).toEqual([]);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(product.workspace.directory);
  });

  test('refused while a program has it open, naming the program', async () => {
    const disk = await product.attach(product.workspace.image('open.img', 4));
    const holder = background('sh', '-c', `exec 9<'${disk.device}'; exec sleep 60`);
    try {
      const { pid } = holder.child;
      await until('sleep has the device open', () =>
        readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('sleep'),
      );
      const refused = await product.run('detach', disk.device);
      expect(refused.status).toBe(1);
      expect(refused.stderr).toContain(`sleep (process ${pid})`);
    } finally {
      holder.child.kill();
      await holder.ended;
    }
    await product.detach(disk);
  });

  test('refused while it is swapped on', async () => {
    const disk = await product.attach(product.workspace.image('swap.img', 16));
    await command('mkswap', disk.device);
    await command('swapon', disk.device);
    try {
      const refused = await product.run('detach', disk.device);
      expect(refused.status).toBe(1);
      expect(refused.stderr).toContain('swap');
    } finally {
      await command('swapoff', disk.device);
    }
    await product.detach(disk);
  });

  test('what was written but not yet flushed is in the image after it', async () => {
    const image = product.workspace.image('flush.img', 4);
    const disk = await product.attach(image);
    // Buffered: the pages are dirty in the device's cache when dd ends.
    await command(
      'sh',
      '-c',
      `yes bioscope | dd of='${disk.device}' bs=1M count=2 iflag=fullblock status=none`,
    );
    await product.detach(disk);
    expect(
      readFileSync(image)
        .subarray(0, 2 << 20)
        .toString()
        .startsWith('bioscope\nbioscope\n'),
    ).toBe(true);
  });
});
