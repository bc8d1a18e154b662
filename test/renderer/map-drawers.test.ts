/**
 * The map by WebGL2 and on a plain canvas: the same picture. The browser is made to believe
 * in its made-up graphics card, which the map would refuse. Skips where no Chromium is
 * installed.
 */
import type { Page } from 'playwright-core';
import { describe, expect, it, vi } from 'vitest';
import { browserPath } from './harness/browser';
import { harnessPages } from './harness/pages';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

/** Runs in the page: its WebGL2 is a graphics card's, and what it has drawn can be read later. */
function believe(): void {
  type Method = (...given: unknown[]) => unknown;
  const wrap = (owner: object, name: string, instead: (method: Method) => Method) => {
    const method = Reflect.get(owner, name) as Method;
    const apply = (_: Method, own: unknown, given: unknown[]) =>
      instead((...changed) => Reflect.apply(method, own, changed))(...given);
    Reflect.set(owner, name, new Proxy(method, { apply }));
  };
  const more = { failIfMajorPerformanceCaveat: false, preserveDrawingBuffer: true };
  wrap(HTMLCanvasElement.prototype, 'getContext', (method) => (kind, options) => {
    return method(kind, kind === 'webgl2' ? Object.assign({}, options, more) : options);
  });
  const UNMASKED_RENDERER_WEBGL = 0x9246;
  wrap(WebGL2RenderingContext.prototype, 'getParameter', (method) => (name) => {
    return name === UNMASKED_RENDERER_WEBGL ? 'a graphics card' : method(name);
  });
}

/** Red, green, blue and opacity of each pixel of the map's data, and what drew them. */
interface Drawn {
  readonly isWebGl: boolean;
  readonly width: number;
  readonly pixels: Uint8Array;
}

async function drawn(page: Page): Promise<Drawn> {
  const { isWebGl, width, base64 } = await page.evaluate(async () => {
    // What was asked to be drawn is drawn in the next frame.
    for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
    const data = document.querySelector<HTMLCanvasElement>('.map-data')!;
    const copy = document.createElement('canvas');
    [copy.width, copy.height] = [data.width, data.height];
    const context = copy.getContext('2d')!;
    context.drawImage(data, 0, 0);
    const all = context.getImageData(0, 0, copy.width, copy.height).data;
    let binary = '';
    for (let at = 0; at < all.length; at += 4096)
      binary += String.fromCharCode(...all.subarray(at, at + 4096));
    const isWebGl = data.getContext('2d') === null && data.getContext('webgl2') !== null;
    return { isWebGl, width: copy.width, base64: btoa(binary) };
  });
  return { isWebGl, width, pixels: new Uint8Array(Buffer.from(base64, 'base64')) };
}

/** Pixels, given by where they begin, of which `isOne` is true. */
function count({ pixels }: Drawn, isOne: (at: number) => boolean): number {
  let sum = 0;
  for (let at = 0; at < pixels.length; at += 4) if (isOne(at)) sum++;
  return sum;
}

const opacityAt = ({ pixels }: Drawn, at: number): number => pixels[at + 3]!;

/** Whether the two have the same colour there, as it would be seen on black. */
const isSame = (one: Drawn, other: Drawn, at: number): boolean =>
  [0, 1, 2].every((channel) => {
    const seen = ({ pixels }: Drawn) => (pixels[at + channel]! * pixels[at + 3]!) / 255;
    return Math.abs(seen(one) - seen(other)) <= 4;
  }) && Math.abs(opacityAt(one, at) - opacityAt(other, at)) <= 4;

/** Colours that a picture has much of. */
function colours({ pixels }: Drawn): number {
  const counts = new Map<string, number>();
  for (let at = 0; at < pixels.length; at += 4) {
    if (pixels[at + 3] === 0) continue;
    const colour = pixels.subarray(at, at + 3).join();
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  return [...counts.values()].filter((many) => many > 20).length;
}

describe.skipIf(browserPath === null)('the map (needs a Chromium)', () => {
  const openPage = harnessPages({ graphics: 'made up' });
  let page: Page;

  const map = () => page.getByTestId('map');
  const open = async (isBelieved: boolean) => {
    page = await openPage({ scene: 'quiet', ...(isBelieved ? { before: believe } : {}) });
    await expect.poll(() => map().getAttribute('data-count')).toBe('500');
  };
  const makeMore = async (more: number) => {
    await page.evaluate((many) => window.harness.makeRequests(many), more);
    await expect.poll(() => map().getAttribute('data-count')).toBe(String(500 + more));
  };
  /** The graphics card takes back what it gave. */
  const lose = async () => {
    await page.evaluate(() => {
      const data = document.querySelector<HTMLCanvasElement>('.map-data')!;
      data.getContext('webgl2')!.getExtension('WEBGL_lose_context')!.loseContext();
    });
    await page.getByTestId('map-fallback').waitFor();
  };
  /** The same picture by both. */
  const both = async (): Promise<[Drawn, Drawn]> => {
    let card = await drawn(page);
    // A finer part may have been asked for: until it stays as it is.
    await expect
      .poll(async () => {
        const before = card;
        card = await drawn(page);
        return Buffer.compare(before.pixels, card.pixels);
      })
      .toBe(0);
    expect(card.isWebGl).toBe(true);
    await lose();
    const plain = await drawn(page);
    expect(plain.isWebGl).toBe(false);
    expect([plain.width, plain.pixels.length]).toEqual([card.width, card.pixels.length]);
    return [card, plain];
  };

  it('draws the same cells without the graphics card', async () => {
    await open(true);
    await makeMore(20_000);
    expect(await map().getAttribute('data-mode')).toBe('cells');
    const [card, plain] = await both();
    const painted = count(card, (at) => opacityAt(card, at) > 0);
    const others = count(card, (at) => !isSame(card, plain, at));
    expect(painted).toBeGreaterThan(5000);
    expect(colours(card)).toBeGreaterThan(10);
    // Where a pixel's middle lies on the edge of a cell, either is right.
    expect(others).toBeLessThan(painted / 50);
  });

  it('draws the same points, and goes on when the graphics card was taken away', async () => {
    await open(true);
    expect(await map().getAttribute('data-mode')).toBe('points');
    const [card, plain] = await both();
    // The plain canvas smooths edges: what it paints wholly, and what of the card's it leaves out.
    const painted = count(card, (at) => opacityAt(card, at) > 0);
    const full = count(plain, (at) => opacityAt(plain, at) === 255);
    const missing = count(card, (at) => opacityAt(card, at) > 0 && opacityAt(plain, at) < 50);
    const others = count(card, (at) => opacityAt(plain, at) === 255 && !isSame(card, plain, at));
    expect(painted).toBeGreaterThan(500);
    expect(full).toBeGreaterThan(200);
    expect(colours(card)).toBeGreaterThan(2);
    expect(missing).toBeLessThan(painted / 50);
    expect(others).toBeLessThan(full / 50);
    await makeMore(700);
    const later = await drawn(page);
    expect(later.isWebGl).toBe(false);
    expect(count(later, (at) => !isSame(later, plain, at))).toBeGreaterThan(100);
  });

  it('is drawn on a plain canvas where the graphics card is made up, and says nothing of it', async () => {
    await open(false);
    const { isWebGl, pixels } = await drawn(page);
    expect(isWebGl).toBe(false);
    expect(pixels.some((value) => value > 0)).toBe(true);
    expect(await page.getByTestId('map-fallback').count()).toBe(0);
  });
});
