// The real window in the guest, on a real dm-user target: a picture of it in /out, and a
// daemon that is killed while one looks on.
import { once } from 'node:events';
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { _electron } from 'playwright-core';
import {
  check,
  daemonPid,
  disks,
  environment,
  kernelStatus,
  leftovers,
  manyFiles,
  must,
  mustBioscope,
  run,
  runTests,
  until,
} from './tools.mjs';
import { answered, now, processBegan, summary } from './times.mjs';

/** Nothing is quick under emulation, least of all a window drawn without a graphics card. */
const PATIENCE_MS = 300_000;
/** Fewer than the window takes for a daemon that dies of what it does. */
const KILLS = 3;
/**
 * From the end of a daemon to the next one's process. The goal is a second on a machine, and
 * met here, but a guest may be far slower.
 */
const LATEST_START_MS = 10_000;
const image = '/dev/shm/rootfs.img';
const mountPoint = '/mnt/bioscope-window';
let application;
let page;
let device;

const disk = (state) => page.locator(`[data-testid="disk"][data-state="${state}"]`);

/** Work of a kind that people have: files come, are made durable, and go. */
async function work(name) {
  const place = `${mountPoint}/${name}`;
  await must('cp', '-r', manyFiles, place);
  await must('sync', '-f', mountPoint);
  await must('rm', '-r', place);
  await must('sync', '-f', mountPoint);
}

/**
 * Kills the daemon, with a request made meanwhile, until the next one has answered that. The
 * window starts it; nobody else does here.
 */
async function kill() {
  const before = daemonPid();
  const socket = connect(join(environment.BIOSCOPE_RUNTIME_DIRECTORY, 'daemon.sock'));
  await once(socket, 'connect');
  socket.on('error', () => undefined).resume();
  const ended = new Promise((resolve) => void socket.once('close', resolve));
  const killed = now();
  process.kill(before, 'SIGKILL');
  await ended;
  const noticed = now();
  await must('dd', `if=${device}`, 'of=/dev/null', 'bs=4k', 'count=1', 'iflag=direct');
  const pid = await until('another daemon serves', async () => {
    const found = daemonPid();
    return found !== before && (await kernelStatus(device)).state === 'ready' && found;
  });
  // Killed before the window knows it, it would be one that could not be started.
  await page.getByTestId('status-daemon').getByText(`pid ${pid} `).waitFor();
  return { killed, noticed, made: processBegan(pid) };
}

/** What comes after a kill. */
const steps = {
  noticed: 'the end of its socket',
  made: 'the next daemon’s process',
  adopted: 'its channels',
  answered: 'its first answer',
};

/** How long after each kill what came to be: in milliseconds. */
async function timesOf(kills) {
  await disk('attached').waitFor();
  const [{ gaps, ...served }] = await disks();
  check(gaps.length === kills.length, `${gaps.length} gaps of ${kills.length} kills`);
  const rows = await answered(served);
  return kills.map(({ killed, ...of }, index) => {
    const adopted = Number(BigInt(gaps[index].to)) / 1e6;
    const { completion } = rows.find(({ arrival }) => arrival >= adopted);
    const all = { ...of, adopted, answered: completion };
    return Object.fromEntries(Object.entries(all).map(([step, time]) => [step, time - killed]));
  });
}

const tests = {
  'the window opens': async () => {
    application = await _electron.launch({
      executablePath: process.env.ELECTRON,
      args: [
        // Drawn by the processor itself: a graphics card emulated on an emulated processor
        // takes seconds for a frame. It is there for the map alone.
        ...['--use-gl=angle', '--use-angle=swiftshader', '--no-sandbox'],
        ...['--disable-gpu-compositing', '--disable-gpu-rasterization'],
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
    // Nothing lazy: rows that come by themselves would move under the pointer.
    const atOnce = 'lazy_itable_init=0,lazy_journal_init=0';
    await must('mkfs.ext4', '-q', '-E', atOnce, device);
    mkdirSync(mountPoint);
    await must('mount', device, mountPoint);
    await work('files');
    // Durable at once: the end of the journal's transaction is then the last that is written.
    const note = `${mountPoint}/note`;
    await must('dd', 'if=/etc/services', `of=${note}`, 'bs=4k', 'conv=fsync', 'status=none');
    const rows = page.locator('[data-testid="trace-row"]').filter({ visible: true });
    await rows.first().waitFor();
    const commit = rows.filter({ hasText: 'FUA' }).last();
    console.log('# the requests are there');
    await commit.waitFor();
    console.log('# the journal’s, too');
    await commit.click({ position: { x: 30, y: 8 } });
    await page.keyboard.press('Enter');
    const inspector = page.locator('[data-testid="inspector"]:not([data-sequence=""])');
    await inspector.waitFor();
    for (const flag of ['FUA', 'SYNC'])
      await inspector.getByText(flag, { exact: true }).first().waitFor();
    await page.getByTestId('disk-holders').waitFor();
    await page.screenshot({ path: '/out/window.png' });
  },

  'its daemon is killed, another serves, and nothing is shown as failed': async () => {
    const kills = [];
    while (kills.length < KILLS) kills.push(await kill());
    const times = await timesOf(kills);
    for (const [step, words] of Object.entries(steps))
      console.log(`# from the kill to ${words}: ${summary(times.map((one) => one[step]))}`);
    const late = times.map(({ noticed, made }) => made - noticed);
    console.log(`# from the end of its socket to the next process: ${summary(late)}`);
    check(Math.max(...late) < LATEST_START_MS, 'the next daemon was not started in time');
    await work('more');
    await disk('attached').waitFor();
    await page.getByTestId('disk-notes').getByText('ended unexpectedly').waitFor();
    check((await disk('failed').count()) === 0, 'a disk is shown as failed');
    // The row that is selected came before it.
    await page.getByTestId('trace-grid').focus();
    await page.keyboard.press('g');
    const gap = page.getByTestId('trace-gap').first();
    await gap.getByText('No daemon served for').waitFor();
    console.log(`# ${await gap.innerText()}`);
    await page.screenshot({ path: '/out/window-after-kill.png' });
  },

  'what nobody can serve is failed from the window': async () => {
    const lost = '/dev/shm/lost.img';
    writeFileSync(lost, '');
    truncateSync(lost, 4 << 20);
    const { id, device: other } = JSON.parse(await mustBioscope('attach', '--json', lost));
    const shown = page.locator(`[data-testid="disk"][data-disk="${id}"]`);
    await shown.waitFor();
    rmSync(lost);
    process.kill(daemonPid(), 'SIGKILL');
    const failed = page.locator(`[data-disk="${id}"][data-state="failed"]`);
    await failed.waitFor();
    const words = ['if=' + other, 'of=/dev/null', 'bs=4k', 'count=1', 'iflag=direct'];
    const reading = run('dd', ...words);
    await until('it waits', async () => (await kernelStatus(other)).queued > 0);
    await failed.getByTestId('disk-abort').click();
    await failed.getByTestId('disk-abort-confirm').click();
    const { status, stderr } = await reading;
    check(status === 1 && /Input\/output error/.test(stderr), `dd: ${status} ${stderr}`);
    await page.screenshot({ path: '/out/window-after-abort.png' });
    await mustBioscope('detach', id);
    check((await kernelStatus(other)) === null, 'the target is still there');
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

/** A test that leaves a picture of the window where it fails. */
const pictured = (work) => async () => {
  try {
    return await work();
  } catch (thrown) {
    await page?.screenshot({ path: '/out/failed.png' }).catch(() => undefined);
    throw thrown;
  }
};

const all = Object.entries(tests).map(([name, work]) => [name, pictured(work)]);
process.exit((await runTests(Object.fromEntries(all))) > 0 ? 1 : 0);
