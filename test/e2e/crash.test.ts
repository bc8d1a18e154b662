/** What dies, and what must go on: the window, the daemon, the feed, the page. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { background, command, hasProgram, isAlive, until } from '../support/commands';
import { Desktop } from '../support/desktop';
import { pictureOnFailure } from '../support/failure-picture';
import { Workspace, isServing } from '../support/workspace';

const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)('after a crash (needs root)', () => {
  let workspace: Workspace;
  let desktop: Desktop | null;

  pictureOnFailure(() => desktop);
  beforeEach(() => {
    workspace = new Workspace();
    desktop = null;
  });
  afterEach(async () => {
    await desktop?.close();
    await workspace.end();
  });

  const rows = (window: Desktop) => window.rows();

  it.skipIf(!hasProgram('fio'))(
    'of the window, I/O goes on without an error, and a new window finds the disk and its trace',
    async () => {
      const image = workspace.image('survivor.img', 64);
      const first = await Desktop.launch(workspace, { images: [image] });
      const device = await first.device('survivor.img');
      const fio = background(
        'fio',
        '--name=load',
        `--filename=${device}`,
        '--rw=randwrite',
        '--bs=512-64k',
        '--direct=1',
        '--ioengine=libaio',
        '--iodepth=16',
        '--size=64m',
        '--time_based',
        '--runtime=6',
        '--verify=crc32c',
        '--verify_backlog=64',
        '--verify_state_save=0',
        '--output-format=terse',
      );
      await first.select('survivor.img');
      await rows(first).first().waitFor();
      await first.kill();

      desktop = await Desktop.launch(workspace);
      expect(await desktop.device('survivor.img')).toBe(device);
      await desktop.select('survivor.img');
      await rows(desktop).first().waitFor();
      const { status, output } = await fio.ended;
      expect(output).not.toMatch(/error|verify:/i);
      expect(status).toBe(0);
      const count = await desktop.page.getByTestId('status-requests').innerText();
      expect(Number(count.replace(/\D/g, ''))).toBeGreaterThan(100);
    },
    60_000,
  );

  it('of the daemon, its disks are shown as failed with the reason, and a restart clears them', async () => {
    const image = workspace.image('orphan.img', 16);
    desktop = await Desktop.launch(workspace, { images: [image] });
    const { page } = desktop;
    const device = await desktop.device('orphan.img');
    const pid = await workspace.daemonPid();
    process.kill(pid!, 'SIGKILL');

    const failed = await desktop.disk('orphan.img', 'failed');
    await expect(failed.getByTestId('disk-failure').innerText()).resolves.toMatch(/SIGKILL/);
    await expect(page.getByTestId('daemon-lost').innerText()).resolves.toMatch(/SIGKILL/);
    expect(isServing(device, 'orphan.img')).toBe(true);

    await page
      .getByTestId('daemon-lost')
      .getByRole('button', { name: 'Start the daemon again' })
      .click();
    await page.getByTestId('daemon-lost').waitFor({ state: 'detached', timeout: 30_000 });
    await until('the loop device is cleared', () => !isServing(device, 'orphan.img'));
    // The image is whole, and can be attached again.
    await (
      await desktop.disk('orphan.img', 'failed')
    )
      .getByRole('button', { name: 'Attach again' })
      .click();
    expect(await desktop.device('orphan.img')).toMatch(/^\/dev\/loop\d+$/);
  }, 60_000);

  it('of the feed, it is started again and the trace is whole', async () => {
    const image = workspace.image('feed.img', 16);
    desktop = await Desktop.launch(workspace, { images: [image] });
    const device = await desktop.device('feed.img');
    await desktop.select('feed.img');
    await command('dd', `if=${device}`, 'of=/dev/null', 'iflag=direct', 'bs=1M', 'status=none');
    await rows(desktop).first().waitFor();
    const requests = () => desktop!.page.getByTestId('status-requests').innerText();
    const feed = await desktop.application.evaluate(({ app }) => {
      const metrics = app.getAppMetrics();
      return metrics.find(({ serviceName, name }) => `${serviceName} ${name}`.includes('feed'))
        ?.pid;
    });
    expect(feed).toBeGreaterThan(0);
    process.kill(feed!, 'SIGKILL');
    await until('the feed ends', () => !isAlive(feed!));
    await command('dd', `if=${device}`, 'of=/dev/null', 'iflag=direct', 'bs=4k', 'status=none');
    const [reads] = await until('all reads are shown', async () => {
      const shown = Number((await requests()).replace(/\D/g, ''));
      return shown >= 4096 + 16 && [shown];
    });
    // Each once: the new port began anew, and the worker dropped what it had.
    expect(reads).toBeLessThan(4096 + 16 + 400);
  });

  it('of the page, it is offered anew and shows the disk', async () => {
    const image = workspace.image('page.img', 16);
    desktop = await Desktop.launch(workspace, { images: [image] });
    await desktop.device('page.img');
    await desktop.answerDialogs(['Load the page again']);
    const loaded = desktop.page.waitForEvent('load', { timeout: 20_000 }).catch(() => null);
    await desktop.application.evaluate(({ BrowserWindow }) => {
      BrowserWindow.getAllWindows()[0]!.webContents.forcefullyCrashRenderer();
    });
    const asked = await until('the question', async () => (await desktop!.asked())[0]);
    expect(asked).toContain('Your disks are not affected');
    await loaded;
    const isShown = () =>
      desktop!.application.evaluate(
        ({ BrowserWindow }) =>
          BrowserWindow.getAllWindows()[0]!.webContents.executeJavaScript(
            `document.querySelector('[data-testid="disk-name"]')?.textContent ?? ''`,
          ) as Promise<string>,
      );
    await until('the disk is shown again', async () => (await isShown()) === 'page.img');
  });
});
