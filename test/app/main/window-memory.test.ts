import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isReachable, recallWindow, rememberWindow } from '../../../app/main/window-memory';
import { zoomStep } from '../../../app/main/zoom';

const memory = { x: 10, y: 20, width: 900, height: 700, isMaximized: true, zoom: 1.25 };
const screens = [{ x: 0, y: 0, width: 1920, height: 1080 }];

describe('what the window remembers', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'bioscope-window-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('comes back as it was kept, in a directory that did not exist', () => {
    const path = join(directory, 'new', 'window.json');
    rememberWindow(path, memory);
    expect(recallWindow(path)).toEqual(memory);
  });

  it.each([
    ['cut short', '{"x": 1'],
    ['of another shape', '{"x": "left"}'],
    ['beyond the limits', JSON.stringify({ ...memory, zoom: 40 })],
  ])('is forgotten when it is %s', (_what, text) => {
    const path = join(directory, 'window.json');
    writeFileSync(path, text);
    expect(recallWindow(path)).toBeNull();
  });

  it('is passed over when the window would lie off every screen', () => {
    expect(isReachable(memory, screens)).toBe(true);
    expect(isReachable({ ...memory, x: 1900 }, screens)).toBe(false);
    expect(isReachable({ ...memory, x: -850 }, screens)).toBe(false);
    expect(isReachable({ ...memory, y: -700 }, screens)).toBe(false);
    expect(isReachable({ ...memory, y: 1060 }, screens)).toBe(false);
  });
});

describe('zoom', () => {
  it('goes step by step from 80 to 200 % and no further', () => {
    const up = [0.8];
    while (up.length < 9) up.push(zoomStep(up.at(-1)!, 1));
    expect(up).toEqual([0.8, 0.9, 1, 1.1, 1.25, 1.5, 1.75, 2, 2]);
    expect(zoomStep(2, -1)).toBe(1.75);
    expect(zoomStep(0.8, -1)).toBe(0.8);
  });

  it('does not stick on a factor that Chromium gives back inexactly', () => {
    expect(zoomStep(1.1000000000000003, 1)).toBe(1.25);
    expect(zoomStep(1.0999999999999999, 1)).toBe(1.25);
  });
});
