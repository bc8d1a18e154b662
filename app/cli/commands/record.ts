/** `bioscope record`: a disk's requests into a capture. */
import { resolve } from 'node:path';
import type { DaemonClient } from '../../client/daemon-client';
import { BioscopeError } from '../../contract/errors';
import {
  payloadChoices,
  recordingWishSchema,
  type PayloadChoice,
  type Recording,
  type RecordingWish,
} from '../../contract/recording';
import { encodeJson } from '../../contract/units';
import { noMoreWords, parseWords, usageError } from '../arguments';
import { findDaemon, withClient } from '../daemon-access';
import { selectDisk } from '../select-disk';
import { formatSize } from '../table';
import type { Terminal } from '../terminal';

/** How often a terminal is told how it stands. */
const TELL_MS = 1000;

export async function recordCommand(words: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseWords(words, {
    output: { type: 'string', short: 'o' },
    payloads: { type: 'string' },
    for: { type: 'string' },
    last: { type: 'string' },
    force: { type: 'boolean' },
    json: { type: 'boolean' },
  });
  const [word, ...rest] = positionals;
  if (word === undefined) throw usageError('record needs a DISK.');
  noMoreWords(rest);
  if (values.output === undefined || values.output === '') {
    throw usageError('record needs -o FILE, the capture to make.');
  }
  const past = values.last === undefined ? ({ kind: 'none' } as const) : pastOf(values.last);
  const seconds = values.for === undefined ? null : secondsOf(values.for, '--for');
  const wish = {
    path: resolve(values.output),
    overwrite: values.force === true,
    payloads: payloadsOf(values.payloads ?? 'none'),
    past,
    // What --last saves has been; --for adds what is to come.
    seconds: seconds ?? (past.kind === 'none' ? null : 0),
    untilDisconnect: true,
  };
  const client = await findDaemon();
  if (client === null) {
    selectDisk([], word);
    return 1;
  }
  terminal.endOnSignals();
  return withClient(client, async (daemon) => {
    const { disks } = await daemon.invoke('disks.list', {});
    const { id } = selectDisk(disks, word);
    const recording = await recordUntilEnd(daemon, { ...wish, disk: id }, terminal);
    if (recording.state === 'failed') throw failure(recording);
    if (values.json === true) await terminal.print(encodeJson(recording));
    else terminal.say(`${recording.path}: ${standing(recording)}`);
    return 0;
  });
}

/** Ends with the recording, which ends by itself, or when the terminal ends it. */
async function recordUntilEnd(
  daemon: DaemonClient,
  wish: RecordingWish,
  terminal: Terminal,
): Promise<Recording> {
  await daemon.invoke('watch', {});
  let told = Date.now();
  let id: string | null = null;
  let last: Recording | null = null;
  const over = new Promise<Recording>((resolve) => {
    daemon.on('recordings', ({ recordings }) => {
      const mine = recordings.find((one) => one.id === id);
      if (!mine) return;
      last = mine;
      if (mine.state !== 'recording') resolve(mine);
      else if (process.stderr.isTTY && Date.now() - told > TELL_MS) {
        told = Date.now();
        terminal.say(standing(mine));
      }
    });
  });
  const recording = await daemon.invoke('recordings.start', wish);
  ({ id } = recording);
  // It may have ended before its name was known.
  const { recordings } = await daemon.invoke('recordings.list', {});
  const now = recordings.find((one) => one.id === id);
  if (now && now.state !== 'recording') return now;
  if (wish.seconds === null && process.stderr.isTTY) terminal.say('recording; Ctrl-C ends it');
  const stop = () =>
    void daemon.invoke('recordings.stop', { recording: recording.id }).catch(() => undefined);
  if (terminal.end.aborted) stop();
  else terminal.end.addEventListener('abort', stop);
  const lost = daemon.closed.then((): never => {
    throw new BioscopeError(
      'DAEMON_UNREACHABLE',
      `The daemon ended while it recorded. ${wish.path} has what was written until then${last ? `: ${standing(last)}` : ''}.`,
    );
  });
  return Promise.race([over, lost]);
}

function failure({ path, error, ...numbers }: Recording): BioscopeError {
  if (error === null) return new BioscopeError('INTERNAL', `${path}: the recording failed.`);
  // Nothing is in one that was removed.
  return numbers.records > 0 && error.errno !== 'ENOENT'
    ? BioscopeError.from({
        ...error,
        message: `${error.message} (${numbers.records} requests are in it.)`,
      })
    : BioscopeError.from(error);
}

/** "12345 requests (8 lost), 300 payloads (2 dropped), 1.2 MiB". */
function standing(recording: Recording): string {
  const { records, lost, payloads, payloadsKept, payloadsDropped, bytes } = recording;
  const parts = [
    `${records} requests${lost > 0 ? ` (${lost} lost: the disk could not keep up)` : ''}`,
  ];
  if (payloads !== 'none') {
    const dropped =
      payloadsDropped > 0 ? ` (${payloadsDropped} overwritten before they were taken)` : '';
    parts.push(`${payloadsKept} payloads${dropped}`);
  }
  parts.push(formatSize(BigInt(bytes)));
  return parts.join(', ');
}

function payloadsOf(text: string): PayloadChoice {
  const choice = payloadChoices.find((one) => one === text);
  if (!choice) throw usageError(`--payloads takes ${payloadChoices.join(', ')}.`);
  return choice;
}

/** "10s", "1.5m" or "2h"; a bare number is seconds. */
function secondsOf(text: string, option: string): number {
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
  const seconds =
    Number(number) * { ms: 0.001, s: 1, m: 60, h: 3600 }[unit as 'ms' | 's' | 'm' | 'h'];
  if (number === undefined || !(seconds > 0)) {
    throw usageError(`${option} takes a time such as 10s, 500ms, 5m or 1h.`);
  }
  return seconds;
}

/** --last: so many requests, or (with a unit) so much time. */
function pastOf(text: string): RecordingWish['past'] {
  if (/^\d+$/.test(text)) {
    const past = recordingWishSchema.shape.past.safeParse({
      kind: 'requests',
      count: Number(text),
    });
    if (past.success) return past.data;
  }
  if (!/^\d+(?:\.\d+)?(ms|s|m|h)$/.test(text)) {
    throw usageError('--last takes a number of requests such as 100000, or a time such as 30s.');
  }
  return { kind: 'seconds', seconds: secondsOf(text, '--last') };
}
