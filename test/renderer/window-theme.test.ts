/**
 * The window's colours in a headless Chromium: the themes, and those that the system forces.
 * Skips where no Chromium is installed.
 */
import type { Locator, Page } from 'playwright-core';
import { describe, expect, it, vi } from 'vitest';
import { browserPath } from './harness/browser';
import { harnessPages } from './harness/pages';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

describe.skipIf(browserPath === null)('the window’s colours (needs a Chromium)', () => {
  const openPage = harnessPages();
  let page: Page;

  const open = async (scene: string) => {
    page = await openPage({ scene });
  };
  const token = (name: string) =>
    page.evaluate(
      (one) => getComputedStyle(document.body).getPropertyValue(`--${one}`).trim(),
      name,
    );
  /** A colour as elements have it, "rgb(…)". */
  const rgb = (colour: string) =>
    page.evaluate((value) => {
      const probe = document.body.appendChild(document.createElement('i'));
      probe.style.cssText = `forced-color-adjust: none; color: ${value}`;
      const { color } = getComputedStyle(probe);
      probe.remove();
      return color;
    }, colour);
  /** Whether a canvas of the map has that colour, "rgb(…)", somewhere. */
  const has = (canvas: Locator, colour: string) =>
    canvas.evaluate((element: HTMLCanvasElement, wanted) => {
      const { data } = element.getContext('2d')!.getImageData(0, 0, element.width, element.height);
      for (let at = 0; at < data.length; at += 4)
        if (data[at + 3]! > 99 && `rgb(${data.slice(at, at + 3).join(', ')})` === wanted)
          return true;
      return false;
    }, colour);
  const mapWords = () => page.locator('.map-axes');

  it('paints the rows that its elements name, in the theme’s colours', async () => {
    await open('quiet');
    const row = page.locator('[data-testid=trace-row][data-sequence="489"]');
    await row.click({ position: { x: 30, y: 8 } });
    await page.keyboard.press('m');
    await expect.poll(() => row.getAttribute('class')).toContain('marked');
    await page.mouse.move(5, 5);
    const box = (await row.boundingBox())!;
    const body = (await page.locator('#trace-body').boundingBox())!;
    /** What the canvas has there: #rrggbb at a place of the row, and how many colours in all of it. */
    const painted = (x: number) =>
      page.evaluate(
        ([left, top, width]) => {
          const canvas = document.querySelector<HTMLCanvasElement>('.trace-canvas')!;
          const context = canvas.getContext('2d')!;
          const { data } = context.getImageData(0, top! + 1, width!, 17);
          const pixel = (at: number) =>
            `#${[0, 1, 2].map((one) => data[at + one]!.toString(16).padStart(2, '0')).join('')}`;
          const colours = new Set<string>();
          for (let at = 0; at < data.length; at += 4) colours.add(pixel(at));
          return { colour: pixel(4 * left!), colours: colours.size };
        },
        [x, Math.round(box.y - body.y), Math.floor(body.width)],
      );
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme });
      await expect.poll(async () => (await painted(5)).colour).toBe(await token('selection'));
      expect((await painted(1)).colour).toBe(await token('accent'));
      // Letters, bar and mark of the operation.
      expect((await painted(5)).colours).toBeGreaterThan(20);
    }
    await page.keyboard.press('Escape');
    await expect.poll(async () => (await painted(5)).colour).not.toBe(await token('selection'));
  });

  it('keeps to the colours that the system forces: what is selected, drawn and pressed is seen', async () => {
    await open('quiet');
    await page.emulateMedia({ colorScheme: 'dark', forcedColors: 'active' });
    const styled = (place: Locator, name: 'color' | 'backgroundColor' | 'opacity') =>
      place.evaluate((element, one) => getComputedStyle(element)[one], name);
    const row = page.locator('[data-testid=trace-row][data-sequence="489"]');
    await row.click({ position: { x: 30, y: 8 } });
    const highlight = await rgb('Highlight');
    await expect.poll(() => styled(row, 'backgroundColor')).toBe(highlight);
    expect(await styled(row, 'color')).toBe(await rgb('HighlightText'));
    expect(await styled(row, 'opacity')).toBe('1');
    expect(await page.locator('.trace-canvas').isVisible()).toBe(false);
    const write = page.getByTestId('filter-write');
    await write.click();
    expect(await styled(write, 'backgroundColor')).toBe(highlight);
    // The map's words are on a canvas, which the system does not force.
    const text = await rgb('CanvasText');
    await expect.poll(() => has(mapWords(), text)).toBe(true);
    await page.getByTestId('picture-time').click();
    const legend = page.locator('.time-chart figcaption .data').first();
    await expect.poll(() => styled(legend, 'color')).toBe(await rgb('var(--read)'));
  });

  it('gives a picture the theme that was chosen while one without a canvas was open', async () => {
    await open('quiet');
    const read = () => rgb('var(--read)');
    const dark = await read();
    await expect.poll(() => has(page.locator('.map-data'), dark)).toBe(true);
    await page.getByTestId('picture-statistics').click();
    await page.locator('.map').waitFor({ state: 'detached' });
    await page.emulateMedia({ colorScheme: 'light' });
    await expect.poll(read).not.toBe(dark);
    await page.getByTestId('picture-map').click();
    const light = await read();
    await expect.poll(() => has(page.locator('.map-data'), light)).toBe(true);
    expect(await has(page.locator('.map-data'), dark)).toBe(false);
    expect(await has(mapWords(), await rgb('var(--dim)'))).toBe(true);
  });
});
