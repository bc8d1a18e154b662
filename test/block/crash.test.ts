/** The daemon is killed under load: programs get errors, not hangs, and the next daemon cleans up. */
import { beforeEach, afterEach, describe, expect, test } from 'vitest';
import { background, command, isAlive, until } from '../support/commands';
import { Product, isConfigured, needsRoot } from './product';

describe('a daemon killed', () => {
  let product: Product;
  beforeEach((context) => {
    needsRoot(context);
    product = new Product();
  });
  afterEach(() => product.end());

  test('under load: programs get EIO, the next daemon clears the loop device', async () => {
    const disk = await product.attach(product.workspace.image('crash.img', 32));
    const pid = await product.workspace.daemonPid();
    if (pid === null) throw new Error('no daemon');
    const load = background(
      'fio',
      '--name=load',
      `--filename=${disk.device}`,
      '--rw=randrw',
      '--bs=4k',
      '--iodepth=16',
      '--ioengine=libaio',
      '--direct=1',
      '--time_based',
      '--runtime=60',
      '--verify_state_save=0', // an error would leave a file in the project's directory
    );
    await until('the load runs', async () => (await product.requests(disk, 1000)).length === 1000);
    process.kill(pid, 'SIGKILL');
    const { status, output } = await load.ended;
    expect(status).not.toBe(0);
    expect(output).toMatch(/Input\/output error|Transport endpoint|err= ?(5|107)/);
    await until('the daemon is gone', () => !isAlive(pid));
    const after = background(
      'dd',
      `if=${disk.device}`,
      'of=/dev/null',
      'bs=4k',
      'count=1',
      'iflag=direct',
    );
    expect((await after.ended).output).toContain('Input/output error');

    // Whatever is asked next starts a daemon, which finds what the old one left.
    const next = await product.attach(product.workspace.image('next.img', 4));
    await until(
      'the leftover is cleared',
      () => next.device === disk.device || !isConfigured(disk.device),
    );
    const failed = (await product.list()).find(
      ({ device }) => device === disk.device && next.device !== disk.device,
    );
    expect(failed?.state ?? 'failed').toBe('failed');
    await product.detach(next);
  });

  test('while its device is mounted: the leftover goes once it is unmounted', async () => {
    const disk = await product.attach(product.workspace.image('mounted.img', 32));
    await command('mkfs.ext4', '-q', '-F', disk.device);
    await product.mount(disk.device);
    const pid = await product.workspace.daemonPid();
    if (pid === null) throw new Error('no daemon');
    process.kill(pid, 'SIGKILL');
    await until('the daemon is gone', () => !isAlive(pid));
    await product.run('attach', product.workspace.image('other.img', 4));
    await command('umount', product.mountPoint).catch(() => undefined); // may complain of the lost journal
    await until('the leftover is cleared', () => !isConfigured(disk.device));
  });
});
