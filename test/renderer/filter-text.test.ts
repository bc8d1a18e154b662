import { describe, expect, it } from 'vitest';
import { parseSectors } from '../../renderer/trace/filter-text';

const range = (text: string) => {
  const parsed = parseSectors(text);
  return parsed.ok ? parsed.sectors && [parsed.sectors.first, parsed.sectors.last] : parsed;
};
const wrong = (text: string) => {
  const parsed = parseSectors(text);
  if (parsed.ok) throw new Error(`"${text}" was accepted`);
  const { message, at, length } = parsed.problem;
  return { message, points: text.slice(at, at + length) };
};

describe('the sector filter', () => {
  it.each([
    ['', null],
    ['  ', null],
    ['2048', [2048, 2048]],
    ['2048..4095', [2048, 4095]],
    [' 2,048 .. 4_095 ', [2048, 4095]],
    ['2048+8', [2048, 2055]],
    ['..100', [0, 100]],
    ['100..', [100, Infinity]],
    ['0x800..0xFFF', [2048, 4095]],
    ['7..7', [7, 7]],
  ])('reads "%s"', (text, expected) => {
    expect(range(text)).toEqual(expected);
  });

  it.each([
    ['20x8', '"x" does not belong in a sector number', 'x'],
    ['2048..40q5', '"q" does not belong in a sector number', 'q'],
    ['0x8g', '"g" does not belong in a sector number', 'g'],
    ['4095..2048', 'The range ends (2048) before it begins (4095)', '2048'],
    ['2048+0', 'A range of no sectors', '0'],
    ['2048+', 'Write first+count', '+'],
    ['..', 'Write 2048, 2048..4095', '..'],
    ['1-5', '"-" is no range', '-'],
    ['99999999999999999', 'No device has that many sectors', '99999999999999999'],
    ['0x', 'does not belong', 'x'],
  ])('points at what is wrong in "%s"', (text, message, points) => {
    const told = wrong(text);
    expect(told.message).toContain(message);
    expect(told.points).toBe(points);
  });
});
