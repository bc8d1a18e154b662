import { describe, expect, it } from 'vitest';
import { hasBytes, PayloadAnswers } from '../../../app/filter/payload-answers';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('the bytes of a payload', () => {
  it('are found wherever they are, overlaps and both ends included', () => {
    expect(hasBytes(bytes('aab'), '6162')).toBe(true);
    expect(hasBytes(bytes('aab'), '616161')).toBe(false);
    expect(hasBytes(bytes('b'), '62')).toBe(true);
    expect(hasBytes(bytes('xyb'), '62')).toBe(true);
    expect(hasBytes(bytes('xyb'), '6261')).toBe(false);
    expect(hasBytes(new Uint8Array(0), '00')).toBe(false);
  });
});

describe('answers about payloads', () => {
  it('are no until they were looked up, newest first, and end at the first that is gone', async () => {
    const answers = new PayloadAnswers();
    for (const sequence of [1, 2, 3, 40, 41]) expect(answers.has(sequence, '61')).toBe(false);
    expect([answers.open, answers.isComplete]).toEqual([5, false]);
    const read: number[] = [];
    const known = await answers.lookUp((sequence) => {
      read.push(sequence);
      return Promise.resolve(sequence > 2 ? bytes(sequence === 40 ? 'b' : 'a') : null);
    }, 4);
    expect(read).toEqual([41, 40, 3, 2]);
    expect(known).toEqual([41, 40, 3, 2]);
    expect([41, 40, 3, 2].map((sequence) => answers.has(sequence, '61'))).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect([answers.gone, answers.goneBefore, answers.open]).toEqual([1, 3, 1]);
    await answers.lookUp((sequence) => {
      read.push(sequence);
      return Promise.resolve(bytes('a'));
    });
    // Older than one that is gone: not even asked for.
    expect(read).toEqual([41, 40, 3, 2]);
    expect([answers.has(1, '61'), answers.gone, answers.isComplete]).toEqual([false, 2, true]);
  });
});
