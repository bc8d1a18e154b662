import { describe, expect, test } from 'vitest';
import { LineError, LineReader } from '../../../app/client/line-reader';

const lines = (reader: LineReader, ...chunks: (string | Buffer)[]) =>
  chunks.flatMap((chunk) => [...reader.push(Buffer.from(chunk as string))]);

describe('LineReader', () => {
  test('joins a line that comes in pieces and cuts a piece that has several', () => {
    const reader = new LineReader(100);
    expect(lines(reader, 'on', 'e\ntwo\nth', '', 'ree\n\n')).toEqual(['one', 'two', 'three', '']);
  });

  test('joins a character that is split between two pieces', () => {
    const text = Buffer.from('µ€\n');
    const pieces = [...text].map((byte) => Buffer.from([byte]));
    expect(lines(new LineReader(100), ...pieces)).toEqual(['µ€']);
  });

  test('takes the longest line there may be and refuses one byte more', () => {
    expect(lines(new LineReader(4), 'four\n', 'five\n')).toEqual(['four', 'five']);
    expect(() => lines(new LineReader(4), 'fours\n')).toThrow(
      new LineError('a line is longer than 4 bytes'),
    );
  });

  test('refuses a line that never ends without keeping all of it', () => {
    const reader = new LineReader(10);
    expect(lines(reader, '12345', '67890')).toEqual([]);
    expect(() => lines(reader, '1')).toThrow('longer than 10 bytes');
  });

  test('refuses what is not UTF-8', () => {
    expect(() => lines(new LineReader(10), Buffer.from([0x61, 0xff, 0x0a]))).toThrow(
      new LineError('a line is not UTF-8'),
    );
  });
});
