import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const css = readFileSync(new URL('../../renderer/widgets/tokens.css', import.meta.url), 'utf8');
const moreContrast = '@media (prefers-contrast: more)';
const [usual = '', more = '', moreLight = ''] = css.split(moreContrast);
const [dark = '', light = ''] = usual.split('@media (prefers-color-scheme: light)');

function tokens(text: string): Map<string, string> {
  return new Map(
    [...text.matchAll(/--([a-z-]+): (#[0-9a-f]{6})/g)].map(([, name, hex]) => [name!, hex!]),
  );
}

/** Relative luminance, WCAG 2. */
function luminance(hex: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const value = parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

function contrast(left: string, right: string): number {
  const [low, high] = [luminance(left), luminance(right)].sort((a, b) => a - b);
  return (high! + 0.05) / (low! + 0.05);
}

const words = [
  'text',
  'dim',
  'read',
  'write',
  'flush',
  'discard',
  'zeroes',
  'zone',
  'error',
  'accent',
];
const grounds = ['background', 'pane', 'raised', 'selection', 'row-odd'];

describe.each([
  ['dark', 4.5, tokens(dark)],
  ['light', 4.5, tokens(light)],
  ['dark, more contrast,', 7, tokens(more)],
  ['light, more contrast,', 7, tokens(moreLight)],
])('the %s theme', (_name, least, colours) => {
  it.each(words)('has %s readable on every ground (WCAG)', (word) => {
    for (const ground of grounds) {
      const ratio = contrast(colours.get(word)!, colours.get(ground)!);
      expect(ratio, `${word} on ${ground}`).toBeGreaterThanOrEqual(least);
    }
  });
});
