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

  it('of far more than are ever kept are those of the newest; a yes outlasts its payload', async () => {
    const answers = new PayloadAnswers();
    const ask = (first: number, end: number) => {
      for (let sequence = first; sequence < end; sequence++) answers.has(sequence, '61');
    };
    ask(0, 150_000);
    expect([answers.open, answers.goneBefore]).toEqual([100_000, 50_000]);
    const read: number[] = [];
    const look = (most?: number) =>
      answers.lookUp((sequence) => {
        read.push(sequence);
        return Promise.resolve(bytes(sequence === 149_999 ? 'a' : 'b'));
      }, most);
    await look(2);
    await look(2);
    // Asked meanwhile: newer than all of them.
    ask(150_000, 150_001);
    await look(2);
    expect(read).toEqual([149_999, 149_998, 149_997, 149_996, 150_000, 149_995]);
    await look();
    expect([read.length, answers.open]).toEqual([100_001, 0]);
    ask(200_000, 350_000);
    expect([answers.open, answers.goneBefore]).toEqual([100_000, 250_000]);
    await look();
    expect([answers.has(149_999, '61'), answers.has(149_998, '61')]).toEqual([true, false]);
    expect(answers.isComplete).toBe(true);
  });
});
