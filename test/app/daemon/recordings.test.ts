/** What becomes of a recording whose thread crashes: it is told, and nothing else is touched. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { captureDisk } from '../../../app/capture/capture-disk';
import { CaptureFile } from '../../../app/capture/file';
import { CaptureWriter } from '../../../app/capture/writer';
import type { Recording, RecordingWish } from '../../../app/contract/recording';
import { diskId, nanoseconds } from '../../../app/contract/units';
import { Recordings } from '../../../app/daemon/recordings/recordings';
import { checksum, header } from '../capture/support';

const numbers = { records: 12, lost: 1, payloadsKept: 0, payloadsDropped: 0, bytes: 900 };
const say = (message: unknown) =>
  `require('node:worker_threads').parentPort.postMessage(${JSON.stringify(message)});`;

describe('a recording whose thread', () => {
  let directory = '';
  let logged: string[] = [];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'bioscope-recordings-'));
    logged = [];
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  async function begin(
    script: string,
    past: RecordingWish['past'] = { kind: 'none' },
  ): Promise<{ recordings: Recordings; begun: Recording }> {
    const path = join(directory, 'thread.cjs');
    writeFileSync(path, script);
    const recordings = new Recordings((line) => logged.push(line), path);
    const writer = await CaptureWriter.create(
      join(directory, 'd.bioscope'),
      header,
      checksum,
      true,
    );
    await writer.finish();
    const file = await CaptureFile.open(writer.path, checksum);
    const gaps = [{ from: nanoseconds(1n), to: nanoseconds(2n) }];
    const disk = { ...captureDisk(file, diskId('d1'), 1), state: 'attached' as const, gaps };
    file.close();
    const begun = await recordings.start(disk, {
      disk: disk.id,
      path: join(directory, 'x.bioscope'),
      overwrite: false,
      payloads: 'none',
      past,
      seconds: null,
      untilDisconnect: false,
    });
    return { recordings, begun };
  }

  /** The recording once it is over. */
  const over = (recordings: Recordings) =>
    expect.poll(() => recordings.list()[0], { timeout: 15_000 }).toMatchObject({ state: 'failed' });

  test('throws is failed, with why, where, and what had been written', async () => {
    const { recordings } = await begin(
      [
        say({ type: 'started' }),
        say({ type: 'numbers', numbers }),
        'setTimeout(() => { throw new Error("a bug"); }, 1);',
      ].join('\n'),
    );
    await over(recordings);
    const [recording] = recordings.list();
    expect(recording).toMatchObject(numbers);
    expect(recording?.error).toMatchObject({ code: 'INTERNAL' });
    const message = recording?.error?.message ?? '';
    expect(message).toContain(
      `The recording into ${join(directory, 'x.bioscope')} broke off: a bug.`,
    );
    expect(message).toContain('What was written until then is readable');
    expect(logged.join()).toContain('x.bioscope');
    expect(recording?.endedAt).not.toBeNull();
  });

  test('ends without a word is failed too, and stopping it does not wait for ever', async () => {
    const { recordings, begun } = await begin(
      [
        say({ type: 'started' }),
        "require('node:worker_threads').parentPort.on('message', () => process.exit(3));",
      ].join('\n'),
    );
    expect(begun.state).toBe('recording');
    const stopped = await recordings.stop(begun.id);
    expect(stopped).toMatchObject({ state: 'failed' });
    expect(stopped.error?.message).toContain('ended without a word');
  });

  test('crashes before it has a file begins nothing', async () => {
    const refused = begin('throw new Error("no memory");');
    await expect(refused).rejects.toThrow('broke off: no memory');
  });

  test('is told when nobody served, where it is to have something of the past', async () => {
    const script = [
      "const { workerData: { path, header } } = require('node:worker_threads');",
      "const text = JSON.stringify(header.gaps ?? null, (_, value) => typeof value === 'bigint' ? `${value}` : value);",
      "require('node:fs').writeFileSync(path, text);",
      say({ type: 'started' }),
    ].join('\n');
    const told = async (past: RecordingWish['past']) => {
      await begin(script, past);
      return JSON.parse(readFileSync(join(directory, 'x.bioscope'), 'utf8')) as unknown;
    };
    const gaps = [{ from: '1', to: '2' }];
    expect(await told({ kind: 'none' })).toBeNull();
    expect(await told({ kind: 'seconds', seconds: 5 })).toEqual(gaps);
    expect(await told({ kind: 'requests', count: 5 })).toEqual(gaps);
  });

  test('leaves the others alone', async () => {
    const script = [
      say({ type: 'started' }),
      "const { parentPort, workerData } = require('node:worker_threads');",
      "parentPort.on('message', () => {",
      "  if (workerData.path.endsWith('bad')) throw new Error('bad');",
      `  parentPort.postMessage(${JSON.stringify({ type: 'ended', numbers })});`,
      '  parentPort.close();',
      '});',
    ].join('\n');
    const { recordings, begun: good } = await begin(script);
    const file = await CaptureFile.open(join(directory, 'd.bioscope'), checksum);
    const bad = await recordings.start(captureDisk(file, diskId('d2'), 2), {
      disk: diskId('d2'),
      path: join(directory, 'bad'),
      overwrite: false,
      payloads: 'none',
      past: { kind: 'none' },
      seconds: null,
      untilDisconnect: false,
    });
    file.close();
    expect(await recordings.stop(bad.id)).toMatchObject({ state: 'failed' });
    expect(recordings.list().find(({ id }) => id === good.id)).toMatchObject({
      state: 'recording',
    });
    expect(await recordings.stop(good.id)).toMatchObject({ state: 'ended', records: 12 });
  });
});
