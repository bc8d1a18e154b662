/**
 * How the window looks at real work: both themes, a narrow window, zoomed. The
 * pictures are in test-results/; with BIOSCOPE_UPDATE_SCREENSHOTS=1 the README's
 * pair in assets/screenshots/ is made anew.
 */
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { command, until } from '../support/commands';
import { Desktop } from '../support/desktop';
import { pictureOnFailure } from '../support/failure-picture';
import { projectDirectory } from '../support/project';
import { Workspace } from '../support/workspace';

const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)('the window at work (needs root)', () => {
  let workspace: Workspace;
  let desktop: Desktop;

  /** Files come, are made durable, are read and go, for some seconds. */
  async function work(): Promise<void> {
    const place = (index: number) => join(workspace.mountPoint, `photo-${index}.raw`);
    const sync = () => command('sync', '-f', workspace.mountPoint);
    for (let index = 0; index < 8; index++) {
      writeFileSync(place(index), Buffer.alloc(40_000 * (1 + (index % 5)), `photo ${index} `));
      await sync();
      await sleep(150);
    }
    for (let index = 0; index < 4; index++) rmSync(place(index));
    await sync();
    await command('fstrim', workspace.mountPoint);
    writeFileSync('/proc/sys/vm/drop_caches', '1');
    for (let index = 4; index < 8; index++) {
      await command('cat', place(index));
      writeFileSync(`${place(index)}.note`, `seen photo ${index}\n`.repeat(2000));
      await sync();
    }
  }

  pictureOnFailure(() => desktop);
  beforeAll(async () => {
    workspace = new Workspace();
    const image = workspace.image('debian-rootfs.img', 256);
    const other = workspace.image('usb-stick.img', 64);
    desktop = await Desktop.launch(workspace, { images: [image, other] });
    const device = await desktop.device('debian-rootfs.img');
    await desktop.select('debian-rootfs.img');
    await command('mkfs.ext4', '-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', device);
    await command('mount', device, workspace.mountPoint);
    await work();
    // Rows that still come would move under the pointer.
    await (await desktop.disk('debian-rootfs.img')).getByText('idle').waitFor();
  });
  afterAll(async () => {
    await workspace.unmount();
    await desktop.close();
    await workspace.end();
  });

  const resize = async (width: number, height: number) => {
    await desktop.application.evaluate(
      ({ BrowserWindow }, size) => BrowserWindow.getAllWindows()[0]!.setContentSize(...size),
      [width, height] as const,
    );
    await until('the new size', () =>
      desktop.page.evaluate((wanted) => Math.abs(window.innerWidth - wanted) < 2, width),
    );
  };
  const overflow = () =>
    desktop.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

  it('follows the theme of the system, dark and light', async () => {
    const { page } = desktop;
    // The data of a file: the journal's and the tables' writes are smaller or unreadable.
    const note = desktop.rows('write').filter({ hasText: /26 KiB/ });
    await desktop.clickRow(note.last());
    await page.keyboard.press('Enter');
    await page.locator('[data-testid="inspector"]:not([data-sequence=""])').waitFor();
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.emulateMedia({ colorScheme: 'dark' });
    await until('the dark theme', async () => (await background()) === 'rgb(20, 22, 26)');
    const dark = await desktop.picture('window-dark');
    await page.emulateMedia({ colorScheme: 'light' });
    await until('the light theme', async () => (await background()) === 'rgb(243, 244, 246)');
    const light = await desktop.picture('window-light');
    if (process.env['BIOSCOPE_UPDATE_SCREENSHOTS']) {
      const kept = join(projectDirectory, 'assets/screenshots');
      mkdirSync(kept, { recursive: true });
      copyFileSync(dark, join(kept, 'window-dark.png'));
      copyFileSync(light, join(kept, 'window-light.png'));
    }
  });

  it('fits a narrow window, the table still in sight', async () => {
    await resize(700, 600);
    await desktop.picture('window-narrow');
    expect(await overflow()).toBeLessThanOrEqual(0);
    await expect(desktop.page.getByTestId('trace-grid').isVisible()).resolves.toBe(true);
    await resize(1400, 850);
  });

  it('zooms with the View menu, 80 to 200 %, and stays whole', async () => {
    const choose = (label: string) =>
      desktop.application.evaluate(({ Menu }, wanted) => {
        const view = Menu.getApplicationMenu()!.items.find(({ label }) => label === '&View')!;
        const isWanted = ({ label, visible }: Electron.MenuItem) => visible && label === wanted;
        const item = view.submenu!.items.find(isWanted)!;
        // Electron declares it as a bare Function.
        (item.click as () => void)();
      }, label);
    const zoom = () =>
      desktop.application.evaluate(({ BrowserWindow }) =>
        BrowserWindow.getAllWindows()[0]!.webContents.getZoomFactor(),
      );
    for (let step = 0; step < 8; step++) await choose('Zoom in');
    expect(await zoom()).toBeCloseTo(2);
    await until('the page at 200 %', () => desktop.page.evaluate(() => window.innerWidth === 700));
    await desktop.picture('window-zoomed');
    expect(await overflow()).toBeLessThanOrEqual(0);
    for (let step = 0; step < 9; step++) await choose('Zoom out');
    expect(await zoom()).toBeCloseTo(0.8);
    await choose('Actual size');
    expect(await zoom()).toBeCloseTo(1);
  });

  it('never made the page complain', () => {
    expect(desktop.complaints).toEqual([]);
  });
});
