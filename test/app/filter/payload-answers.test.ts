import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasBytes, PayloadAnswers } from '../../../app/filter/payload-answers';
import { SequenceSet } from '../../../app/filter/sequence-set';

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
    expect([answers.gone, answers.goneBefore, answers.open]).toEqual([2, 3, 0]);
    await answers.lookUp((sequence) => {
      read.push(sequence);
      return Promise.resolve(bytes('a'));
    });
    // Older than one that is gone: not even asked for.
    expect(read).toEqual([41, 40, 3, 2]);
    expect([answers.has(1, '61'), answers.gone, answers.isComplete]).toEqual([false, 2, true]);
  });

  it('of far more than a disk keeps are looked up, newest first; a yes outlasts its payload', async () => {
    const answers = new PayloadAnswers();
    const ask = (first: number, end: number) => {
      for (let sequence = first; sequence < end; sequence++) answers.has(sequence, '61');
    };
    ask(0, 200_000);
    expect([answers.open, answers.goneBefore]).toEqual([200_000, 0]);
    const read: number[] = [];
    const look = (most?: number) =>
      answers.lookUp((sequence) => {
        read.push(sequence);
        return Promise.resolve(bytes(sequence === 199_999 || sequence === 7 ? 'a' : 'b'));
      }, most);
    await look(2);
    await look(2);
    // Asked meanwhile: newer than all of them.
    ask(200_000, 200_001);
    await look(2);
    expect(read).toEqual([199_999, 199_998, 199_997, 199_996, 200_000, 199_995]);
    expect(answers.open).toBe(199_995);
    ask(199_990, 200_001);
    expect(answers.open).toBe(199_995);
    await look();
    expect([read.length, answers.open, answers.isComplete]).toEqual([200_001, 0, true]);
    expect([7, 8, 199_999].map((sequence) => answers.has(sequence, '61'))).toEqual([
      true,
      false,
      true,
    ]);
    // One that is gone ends it for what is older, but not for what was found.
    ask(200_001, 200_010);
    await answers.lookUp(() => Promise.resolve(null));
    expect([answers.goneBefore, answers.gone, answers.isComplete]).toEqual([200_010, 9, true]);
    expect([answers.has(7, '61'), answers.has(8, '61')]).toEqual([true, false]);
  });

  it('of several patterns are found with one look into each payload', async () => {
    const answers = new PayloadAnswers();
    const ask = () => [1, 2].map((one) => [answers.has(one, '61'), answers.has(one, '62')]);
    ask();
    let reads = 0;
    await answers.lookUp((sequence) => {
      reads++;
      return Promise.resolve(bytes(sequence === 1 ? 'ab' : 'b'));
    });
    expect(reads).toBe(2);
    expect(ask()).toEqual([
      [true, true],
      [false, true],
    ]);
  });

  it('about sequences that lie anywhere take bounded memory: the lowest are left out, which is told', () => {
    const answers = new PayloadAnswers();
    for (let index = 0; index < 5000; index++) answers.has(index * 1_000_000_007, '61');
    expect(answers.open).toBe(4096);
    expect(answers.goneBefore).toBeGreaterThan(900 * 1_000_000_007);
    expect(answers.goneBefore).toBeLessThan(905 * 1_000_000_007);
  });
});

describe('a set of sequences', () => {
  it('has what a Set has, and its highest, whatever is put in and taken out', () => {
    const near = fc.oneof(fc.nat(100_000), fc.nat(2 ** 31), fc.constantFrom(32_767, 32_768));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('add', 'delete', 'below'), near), { maxLength: 60 }),
        (steps) => {
          const set = new SequenceSet();
          const plain = new Set<number>();
          for (const [what, sequence] of steps) {
            if (what === 'add') {
              set.add(sequence);
              plain.add(sequence);
            } else if (what === 'delete') {
              set.delete(sequence);
              plain.delete(sequence);
            } else {
              set.deleteBelow(sequence);
              for (const one of plain) if (one < sequence) plain.delete(one);
            }
          }
          expect(set.size).toBe(plain.size);
          const sorted = [...plain].sort((left, right) => right - left);
          expect(set.highest(Infinity)).toEqual(sorted);
          expect(set.highest(3)).toEqual(sorted.slice(0, 3));
          for (const [, sequence] of steps) expect(set.has(sequence)).toBe(plain.has(sequence));
        },
      ),
    );
  });
});
