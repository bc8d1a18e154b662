// The real window in the guest, on a real dm-user target: a picture of it in /out, and a
// daemon that is killed while one looks on.
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { _electron } from 'playwright-core';
import {
  check,
  daemonPid,
  environment,
  kernelStatus,
  leftovers,
  must,
  mustBioscope,
  runTests,
  until,
} from './tools.mjs';

/** Nothing is quick under emulation. */
const PATIENCE_MS = 240_000;
const image = '/dev/shm/rootfs.img';
const mountPoint = '/mnt/bioscope-window';
let application;
let page;
let device;

const disk = (state) => page.locator(`[data-testid="disk"][data-state="${state}"]`);

/** Work of a kind that people have: files made, read and removed. */
const work = (name) =>
  must(
    'sh',
    '-c',
    `cp -r /usr/share/perl/5*/unicore/lib ${mountPoint}/${name} && sync && rm -r ${mountPoint}/${name} && sync`,
  );

const tests = {
  'the window opens': async () => {
    application = await _electron.launch({
      executablePath: process.env.ELECTRON,
      args: [
        ...['--use-gl=angle', '--use-angle=swiftshader', '--no-sandbox'],
        ...['--force-dark-mode', join(process.env.PRODUCT, '..')],
      ],
      env: { ...environment, BIOSCOPE_NODE: process.execPath, HOME: '/root' },
      colorScheme: 'dark',
      timeout: PATIENCE_MS,
    });
    page = await application.firstWindow({ timeout: PATIENCE_MS });
    page.setDefaultTimeout(PATIENCE_MS);
    await page.getByTestId('status-daemon').waitFor();
  },

  'an image attached there is a dm-user target': async () => {
    writeFileSync(image, '');
    truncateSync(image, 256 << 20);
    await page.getByTestId('attach-path').fill(image);
    await page.getByTestId('attach-submit').click();
    await disk('attached').waitFor();
    check((await page.getByTestId('disk-route').innerText()) === 'dm-user', 'the route');
    device = (await page.getByTestId('disk-device').innerText()).trim();
    check((await kernelStatus(device)).state === 'ready', 'the target');
  },

  'what a file system does on it is in the table, with its flags': async () => {
    await must('mkfs.ext4', '-q', device);
    mkdirSync(mountPoint);
    await must('mount', device, mountPoint);
    await work('files');
    const rows = page.locator('[data-testid="trace-row"]').filter({ visible: true });
    await rows.first().waitFor();
    await rows.filter({ hasText: 'META' }).first().waitFor();
    await rows
      .filter({ hasText: 'META' })
      .first()
      .click({ position: { x: 30, y: 8 } });
    await until(
      'the mount is shown',
      async () => (await page.getByTestId('disk-holders').count()) > 0,
    );
    await page.screenshot({ path: '/out/window.png' });
  },

  'its daemon is killed, another serves, and nothing is shown as failed': async () => {
    const before = daemonPid();
    process.kill(before, 'SIGKILL');
    // The window starts the next one; nobody else does here.
    await until('another daemon serves', async () => {
      const pid = daemonPid();
      return pid !== null && pid !== before && (await kernelStatus(device)).state === 'ready';
    });
    await work('more');
    await disk('attached').waitFor();
    await page.getByTestId('disk-notes').getByText('ended unexpectedly').waitFor();
    check((await disk('failed').count()) === 0, 'a disk is shown as failed');
    await page.screenshot({ path: '/out/window-after-kill.png' });
  },

  'detached in the window, it leaves nothing': async () => {
    await must('umount', mountPoint);
    await page.getByTestId('detach').click();
    await until('the disk is gone', async () => (await page.getByTestId('disk').count()) === 0);
    const child = application.process();
    child.kill('SIGTERM');
    await until('the window ends', () => child.exitCode !== null || child.signalCode !== null);
    await mustBioscope('daemon', 'stop');
    await until('the daemon ends', () => daemonPid() === null);
    const left = await leftovers();
    check(left.length === 0, left.join('\n'));
    await must('e2fsck', '-fn', image);
  },
};

process.exit((await runTests(tests)) > 0 ? 1 : 0);
