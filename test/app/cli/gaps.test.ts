/** Times in which nobody served, as `bioscope trace` prints them: of a capture, and found on the way. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { captureDisk } from '../../../app/capture/capture-disk';
import { CaptureFile } from '../../../app/capture/file';
import type { CaptureHeader } from '../../../app/capture/header';
import { CaptureWriter } from '../../../app/capture/writer';
import { GapsPassed } from '../../../app/cli/trace/gaps-passed';
import { humanFormat } from '../../../app/cli/trace/human-format';
import { jsonFormat } from '../../../app/cli/trace/json-format';
import { printCapture, type PrintOptions } from '../../../app/cli/trace/print-capture';
import type { Terminal } from '../../../app/cli/terminal';
import { RECORD_BYTES } from '../../../app/contract/trace';
import { diskId, nanoseconds } from '../../../app/contract/units';
import { parseFilter } from '../../../app/filter/parse';
import { addAll, checksum, header, recordsOf } from '../capture/support';

const SECOND = 1_000_000_000n;
const gapOf = (from: bigint, to: bigint) => ({
  from: nanoseconds(from * SECOND),
  to: nanoseconds(to * SECOND),
});
/** A request a second, answered half a second later; sequences from 1, arriving at 1 s, 2 s … */
const aSecond = (sequence: bigint) => ({
  sequence,
  arrival: sequence * SECOND,
  completion: sequence * SECOND + SECOND / 2n,
  sector: 8n * sequence,
  length: 4096n,
  operation: Number(sequence % 2n),
});

describe('gaps on the way through a trace', () => {
  const passing = (gaps: GapsPassed, ...sequences: readonly bigint[]) => {
    const view = new DataView(recordsOf(sequences.map(aSecond)));
    return sequences.map((_, index) => gaps.before(view, index * RECORD_BYTES));
  };

  test('are before the first request that comes after them, once', () => {
    const gaps = new GapsPassed([gapOf(3n, 4n), gapOf(6n, 7n)]);
    expect(passing(gaps, 1n, 2n, 4n, 5n)).toEqual([[], [], [gapOf(3n, 4n)], []]);
    expect(passing(gaps, 6n, 8n, 9n)).toEqual([
      [],
      [{ ...gapOf(6n, 7n), from: 6_500_000_000n }],
      [],
    ]);
  });

  test('are left out where nothing is shown before them', () => {
    const gaps = new GapsPassed([gapOf(0n, 1n), gapOf(2n, 3n), gapOf(5n, 6n)]);
    expect(passing(gaps, 4n, 7n)).toEqual([[], [gapOf(5n, 6n)]]);
  });

  test('begin after the last answer, and never after their end', () => {
    expect(passing(new GapsPassed([gapOf(1n, 4n)]), 3n, 4n)[1]).toEqual([
      { from: 3_500_000_000n, to: 4n * SECOND },
    ]);
    const late = { ...aSecond(1n), completion: 9n * SECOND };
    const view = new DataView(recordsOf([late, aSecond(5n)]));
    const gaps = new GapsPassed([gapOf(2n, 4n)]);
    gaps.before(view, 0);
    expect(gaps.before(view, RECORD_BYTES)).toEqual([gapOf(4n, 4n)]);
  });
});

describe('a capture with a gap', () => {
  let directory = '';
  let path = '';
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'bioscope-gaps-'));
    path = join(directory, 'x.bioscope');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  async function written(more: Partial<CaptureHeader>): Promise<CaptureFile> {
    const writer = await CaptureWriter.create(path, { ...header, ...more }, checksum);
    await addAll(writer, recordsOf([1n, 2n, 3n, 6n, 7n].map(aSecond)));
    await writer.finish();
    return CaptureFile.open(path, checksum);
  }
  async function printed(more: Partial<PrintOptions>): Promise<string[]> {
    const lines: string[] = [];
    const terminal: Pick<Terminal, 'print' | 'say' | 'end'> = {
      end: new AbortController().signal,
      say: (message) => lines.push(message),
      print: (...some) => {
        lines.push(...some);
        return Promise.resolve();
      },
    };
    const file = await written({ gaps: [gapOf(4n, 5n)] });
    const options = { format: jsonFormat(), filter: null, count: Infinity, ...more };
    await printCapture(file, { terminal: terminal as Terminal, ...options });
    rmSync(path);
    return lines;
  }
  /** Sequences, and what else there is by its type. */
  const kinds = (lines: readonly string[]) =>
    lines.map((line) => {
      const { type, sequence } = JSON.parse(line) as { type: string; sequence?: string };
      return sequence ?? type;
    });

  test('has it in its header, and shows it in the place of its disk', async () => {
    const file = await written({ gaps: [gapOf(4n, 5n)] });
    expect(file.header.gaps).toEqual([gapOf(4n, 5n)]);
    expect(captureDisk(file, diskId('c1'), 1).gaps).toEqual([gapOf(4n, 5n)]);
    file.close();
  });

  test('of a machine that has run for 200 days has it, too', async () => {
    const gap = gapOf(200n * 86_400n, 200n * 86_400n + 1n);
    const file = await written({ gaps: [gap] });
    expect(file.header.gaps).toEqual([gap]);
    file.close();
  });

  test('that nobody can have seen is as one without any', async () => {
    const impossible = [
      [],
      [gapOf(5n, 4n)],
      [gapOf(1n, 10_000_000_000n)],
      [gapOf(5n, 6n), gapOf(4n, 5n)],
      Array.from({ length: 65 }, (_, index) => gapOf(BigInt(index), BigInt(index))),
    ];
    for (const gaps of impossible) {
      const file = await written(gaps.length === 0 ? {} : { gaps });
      expect(file.header).toEqual(header);
      expect(captureDisk(file, diskId('c1'), 1).gaps).toEqual([]);
      file.close();
      rmSync(path);
    }
  });

  test('is printed with it between the requests, and it counts as none', async () => {
    expect(kinds(await printed({}))).toEqual(['attached', '1', '2', '3', 'gap', '6', '7']);
    expect(kinds(await printed({ count: 4 }))).toEqual(['attached', '1', '2', '3', 'gap', '6']);
    expect(kinds(await printed({ count: 3 }))).toEqual(['attached', '1', '2', '3']);
    const parsed = parseFilter('write');
    const filter = parsed.ok ? parsed.filter : null;
    expect(kinds(await printed({ filter }))).toEqual(['attached', '1', '3', 'gap', '7']);
  });

  test('is printed as a comment for people and as an object of its own for programs', async () => {
    const text = (await printed({ format: humanFormat() }))[5];
    expect(text).toMatch(
      /^--- capture: no daemon served from \d\d:\d\d:23\.000000 to \d\d:\d\d:24\.000000 \(1\.00s\); requests waited$/,
    );
    expect(JSON.parse((await printed({}))[4] ?? '')).toEqual({
      type: 'gap',
      disk: 'capture',
      time: '2023-11-14T22:13:23.000000000Z',
      from: '4000000000',
      to: '5000000000',
      duration: '1000000000',
    });
  });
});
