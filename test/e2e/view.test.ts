/** Looking: the table by keyboard, the filter, pause and clear. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { command, hasProgram, until } from '../support/commands';
import { Desktop } from '../support/desktop';
import { pictureOnFailure } from '../support/failure-picture';
import { Workspace } from '../support/workspace';

const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)('the requests of a disk (needs root)', () => {
  let workspace: Workspace;
  let desktop: Desktop;
  let device: string;

  const dd = (...words: string[]) => command('dd', 'status=none', ...words);
  const read = (from: number, count: number) =>
    dd(`if=${device}`, 'of=/dev/null', 'iflag=direct', 'bs=4k', `skip=${from}`, `count=${count}`);
  const write = (to: number, count: number) =>
    dd('if=/dev/urandom', `of=${device}`, 'oflag=direct', 'bs=4k', `seek=${to}`, `count=${count}`);
  const grid = () => desktop.page.getByTestId('trace-grid');
  const selected = () => desktop.rows().and(desktop.page.locator('[aria-selected="true"]'));
  const sequence = async () => Number(await selected().getAttribute('data-sequence'));
  const matching = async () => {
    const text = await desktop.page.getByTestId('filter-count').innerText();
    return text.split(' of ').map((number) => Number(number.replace(/\D/g, '')));
  };

  pictureOnFailure(() => desktop);
  beforeAll(async () => {
    workspace = new Workspace();
    const image = workspace.image('view.img', 32, true);
    desktop = await Desktop.launch(workspace, { images: [image] });
    device = await desktop.device('view.img');
    await desktop.select('view.img');
    await read(0, 500);
    await write(1000, 100);
    await until('all are shown', async () => (await matching()).at(-1)! >= 600);
  });
  // A test that failed leaves no brush behind for the next.
  afterEach(async () => {
    const brush = desktop.page.getByTestId('brush-remove');
    if (await brush.isVisible()) await brush.click();
  });
  afterAll(async () => {
    await desktop.close();
    await workspace.end();
  });

  it('are walked through by keyboard', async () => {
    const { page } = desktop;
    await grid().focus();
    await page.keyboard.press('Home');
    await until('the first row', async () => (await sequence()) === 1);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await until('the third row', async () => (await sequence()) === 3);
    await page.keyboard.press('ArrowUp');
    await until('the second row', async () => (await sequence()) === 2);
    await page.keyboard.press('End');
    await until('the last row', async () => (await sequence()) >= 600);
    await page.keyboard.press('Enter');
    await page.getByTestId('inspector').waitFor();
    await page.locator('[data-testid="inspector"]:not([data-sequence=""])').waitFor();
    await page.keyboard.press('Escape');
    await until('nothing selected', async () => (await selected().count()) === 0);
  });

  it('are filtered by operation and by sectors, and / goes to the filter', async () => {
    const { page } = desktop;
    await page.getByTestId('filter-write').click();
    await until('the writes alone', async () => (await matching())[0] === 100);
    await page.getByTestId('filter-write').click();
    await grid().focus();
    await page.keyboard.press('/');
    // 4 KiB blocks 10 to 19.
    await page.keyboard.type('80..159');
    await until('ten blocks alone', async () => (await matching())[0] === 10);
    await page.getByTestId('filter-text').fill('9..1');
    await page.getByTestId('filter-error').waitFor();
    await page.getByTestId('filter-text').fill('');
    await until('all again', async () => {
      const [first, all] = await matching();
      return all === undefined || first === all;
    });
  });

  it('are drawn on the map, and a brush there is a filter', async () => {
    const { page } = desktop;
    const map = page.getByTestId('map');
    const [, all] = await matching();
    await until('all on the map', async () => Number(await map.getAttribute('data-count')) >= all!);
    const box = (await map.boundingBox())!;
    // Of 65,536 sectors the reads lie in the first 4,000; the writes begin at 8,000, an eighth down.
    await page.mouse.move(box.x + 300, box.y + box.height * 0.17);
    await page.mouse.down();
    await page.mouse.move(box.x + 300, box.y + box.height * 0.6, { steps: 4 });
    await page.mouse.up();
    await until('the writes alone', async () => (await matching())[0] === 100);
    await until('them on the map', async () => (await map.getAttribute('data-count')) === '100');
    await page.getByTestId('brush-remove').click();
    await until('all again', async () => {
      const [first, total] = await matching();
      return total === undefined || first === total;
    });
  });

  /** Saves the open picture; the file's bytes once it is whole. */
  const saved = async (kind: 'png' | 'csv') => {
    const { page, application } = desktop;
    const path = join(workspace.directory, `saved.${kind}`);
    await application.evaluate(({ session }, target) => {
      const state = globalThis as unknown as { saving: string };
      state.saving = 'none';
      session.defaultSession.once('will-download', (_event, item) => {
        item.setSavePath(target);
        item.once('done', (_done, end) => (state.saving = end));
      });
    }, path);
    await page.getByTestId('picture-save').click();
    await page.getByTestId(`picture-save-${kind}`).click();
    const end = () =>
      application.evaluate(() => (globalThis as unknown as { saving: string }).saving);
    await until('the file is written', async () => (await end()) !== 'none');
    expect(await end()).toBe('completed');
    return readFileSync(path);
  };

  it('are saved as a PNG: the map as it is seen, twice as large', async () => {
    const { page } = desktop;
    const map = page.getByTestId('map');
    const [, all] = await matching();
    await until('all on the map', async () => Number(await map.getAttribute('data-count')) >= all!);
    const { width, height } = (await map.boundingBox())!;
    const picture = await page.evaluate(
      async (base64) => {
        const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
        const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
        const context = new OffscreenCanvas(image.width, image.height).getContext('2d')!;
        context.drawImage(image, 0, 0);
        const { data } = context.getImageData(0, 0, image.width, image.height);
        const colours = new Map<number, number>();
        for (const colour of new Uint32Array(data.buffer))
          colours.set(colour, (colours.get(colour) ?? 0) + 1);
        return { width: image.width, height: image.height, counts: [...colours.values()] };
      },
      (await saved('png')).toString('base64'),
    );
    expect([picture.width, picture.height]).toEqual([
      2 * Math.floor(width),
      2 * Math.floor(height),
    ]);
    // The ground, axes and two kinds of requests: at least a hundred pixels each.
    expect(picture.counts.filter((count) => count >= 100).length).toBeGreaterThanOrEqual(4);
  });

  it('are counted in the statistics, which are saved as CSV', async () => {
    const { page } = desktop;
    await page.getByTestId('picture-statistics').click();
    const write = page.getByTestId('statistics').locator('tr[data-family="write"]');
    await until('the writes', async () => (await write.innerText()).includes('400 KiB'));
    const text = (await saved('csv')).toString();
    expect(text).toMatch(/^write,100,409600,4096,4096,\d+,\d+,0\r$/m);
    expect(text).toContain('bytes of a request');
    await page.getByTestId('picture-map').click();
  });

  it('are held back by a pause, while the I/O goes on', async () => {
    const { page } = desktop;
    const pause = page.getByTestId('pause');
    await pause.click();
    const [before] = await matching();
    await write(2000, 50);
    await until('the rows that wait', async () =>
      (await page.getByTestId('held-back').innerText()).includes('50'),
    );
    expect((await matching())[0]).toBe(before);
    await pause.click();
    await until('the rows that waited', async () => (await matching())[0] === before! + 50);
  });

  it('are cleared from the view, and shown again', async () => {
    const { page } = desktop;
    const [before] = await matching();
    await page.getByTestId('clear').click();
    await until('an empty view', async () => (await desktop.rows().count()) === 0);
    await page.getByTestId('show-all').click();
    await until('all again', async () => ((await matching())[0] ?? 0) >= before!);
  });

  it.skipIf(!hasProgram('fio'))(
    'all arrive, none lost, when there are 150,000 in a rush; and the table scrolls through them',
    async () => {
      const { page } = desktop;
      const [before] = await matching();
      await command(
        'fio',
        '--name=rush',
        `--filename=${device}`,
        '--rw=randread',
        '--bs=4k',
        '--direct=1',
        '--ioengine=libaio',
        '--iodepth=32',
        '--io_size=614400k',
        '--size=32m',
        '--norandommap',
      );
      await until('all rows', async () => (await matching())[0]! >= before! + 150_000, 30_000);
      await expect(page.getByTestId('status-lost').innerText()).resolves.toMatch(/^0 lost/);
      await grid().focus();
      await page.keyboard.press('Home');
      await until('the first row', async () => (await sequence()) === 1);
      await page.keyboard.press('End');
      await until('the last row', async () => (await sequence()) >= 150_000);
    },
    60_000,
  );

  it('never made the page complain', () => {
    expect(desktop.complaints).toEqual([]);
  });
});
