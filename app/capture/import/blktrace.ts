/**
 * Reads what blktrace saved (NAME.blktrace.0, .1, … a file a CPU) and makes
 * requests of its events: arrival is the queueing (Q) of what begins at the same
 * sector, or else the issue (D); the backend's delay is the time between the two;
 * the completion (C) ends it. Q without D, as devices without a queue have, is
 * ended by C as well. What was merged (M, F) is part of another request; what was
 * requeued (R) waits for its next issue.
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BioscopeError } from '../../contract/errors';
import { RECORD_BYTES } from '../../contract/trace';
import { bytes, nanoseconds } from '../../contract/units';
import * as wire from '../../contract/wire.gen';
import { bioscopeTraceRecordOffsets as at } from '../../contract/wire.gen';
import type { Checksum } from '../batch';
import {
  CATEGORY_SHIFT,
  EVENT_BYTES,
  EVENT_MAGIC,
  blkAction,
  blkCategory as category,
  eventAt,
} from '../blktrace-format';
import { readError } from '../capture-errors';
import { whyImpossible } from '../possible';
import { isSameFile } from '../same-file';
import { CaptureWriter } from '../writer';

const SECOND = 1_000_000_000n;
/** The low 24 bits of the magic are blktrace's, the low 8 its version. */
const MAGIC_MASK = 0xffff_ff00;
const MOST_FILE_BYTES = 2 ** 31;
const SECTOR_BYTES = 512;
const ROWS_AT_ONCE = 4096;
/** Of a flush, in traces by kernels before 4.11: it has no place. */
const NO_SECTOR = (1n << 64n) - 1n;

interface Event {
  readonly time: bigint;
  readonly sector: bigint;
  readonly bytes: number;
  readonly action: number;
  readonly category: number;
  readonly cpu: number;
  readonly error: number;
}

interface Request {
  arrival: bigint;
  issue: bigint | null;
  readonly event: Event;
}

export interface ImportResult {
  readonly requests: number;
  readonly remarks: readonly string[];
}

/**
 * Makes the capture `target` of the files of `source`: NAME, NAME.blktrace.0 or a
 * folder with one trace. Throws BioscopeError: FILE_UNREADABLE, CAPTURE_FOREIGN,
 * CAPTURE_EMPTY, and what the writer throws.
 */
export async function importBlktrace(
  source: string,
  target: string,
  overwrite: boolean,
  program: string,
  checksum: Checksum,
): Promise<ImportResult> {
  const files = traceFiles(source);
  if (files.some((path) => isSameFile(path, target))) {
    throw new BioscopeError('USAGE', `${target} is part of the trace itself. Choose another name.`);
  }
  const parsed = files.map((path) => readEvents(path));
  const events = parsed.flatMap((one) => one.events);
  const start = parsed.find((one) => one.start !== null)?.start ?? 0n;
  events.sort((left, right) => (left.time < right.time ? -1 : left.time > right.time ? 1 : 0));
  const { requests: paired, open } = pair(events);
  const { requests, impossible } = possible(paired);
  if (requests.length === 0) {
    throw new BioscopeError(
      'CAPTURE_EMPTY',
      impossible === null
        ? `${source} has no request that was completed: blktrace must record at least "-a queue -a issue -a complete".`
        : `${source} has no request that a block device can have; the first ${impossible}.`,
    );
  }
  const name = basename(files[0] ?? source).replace(/\.blktrace\.\d+$/, '');
  const header = {
    program,
    name,
    imagePath: source,
    device: null,
    size: bytes(0n),
    readOnly: true,
    route: 'blktrace',
    payloads: 'none',
    epochMonotonicNs: nanoseconds(0n),
    epochRealtimeNs: nanoseconds(start),
    startedAt: nanoseconds(start),
  } as const;
  const writer = await CaptureWriter.create(target, header, checksum, overwrite);
  try {
    for (let first = 0; first < requests.length; first += ROWS_AT_ONCE) {
      const rows = requests.slice(first, first + ROWS_AT_ONCE);
      const staging = writer.staging;
      if (!staging) throw new Error('nothing is being written, yet there is no room');
      staging.add(records(rows, first), 0, rows.length, null);
      if (staging.rowsLeft < ROWS_AT_ONCE) {
        writer.flush();
        await writer.idle();
      }
    }
  } finally {
    await writer.finish();
  }
  const remarks = [
    ...(open > 0 ? [`${open} requests that were not complete at the end are left out.`] : []),
    ...(impossible === null
      ? []
      : [
          `${paired.length - requests.length} requests that no block device can have are left out; the first ${impossible}.`,
        ]),
    ...parsed.flatMap((one) => one.remarks),
  ];
  return { requests: requests.length, remarks };
}

function traceFiles(source: string): readonly string[] {
  try {
    const isFolder = statSync(source, { throwIfNoEntry: false })?.isDirectory() ?? false;
    const folder = isFolder ? source : dirname(source);
    const wanted = isFolder ? null : basename(source).replace(/\.blktrace\.\d+$/, '');
    const found = readdirSync(folder).filter((name) => /\.blktrace\.\d+$/.test(name));
    const names = new Set(found.map((name) => name.replace(/\.blktrace\.\d+$/, '')));
    if (wanted === null && names.size > 1) {
      throw new BioscopeError(
        'USAGE',
        `${source} has several traces (${[...names].join(', ')}): name one of them.`,
      );
    }
    const files = found.filter(
      (name) => wanted === null || name.replace(/\.blktrace\.\d+$/, '') === wanted,
    );
    if (files.length === 0) {
      throw new BioscopeError(
        'FILE_UNREADABLE',
        `There is no ${wanted === null ? join(source, '*') : source}.blktrace.0, as blktrace saves it.`,
        { errno: 'ENOENT' },
      );
    }
    return files.sort().map((name) => join(folder, name));
  } catch (thrown) {
    throw readError(source, thrown);
  }
}

function readEvents(path: string): {
  readonly events: Event[];
  readonly start: bigint | null;
  readonly remarks: readonly string[];
} {
  let data: Buffer;
  try {
    const { size } = statSync(path);
    if (size > MOST_FILE_BYTES) {
      throw new BioscopeError('FILE_UNREADABLE', `${path} has more than 2 GiB: import part of it.`);
    }
    data = readFileSync(path);
  } catch (thrown) {
    throw readError(path, thrown);
  }
  const events: Event[] = [];
  let start: bigint | null = null;
  let place = 0;
  while (place + EVENT_BYTES <= data.length) {
    if ((data.readUInt32LE(place) & MAGIC_MASK) >>> 0 !== (EVENT_MAGIC & MAGIC_MASK) >>> 0) {
      throw new BioscopeError(
        'CAPTURE_FOREIGN',
        `${path} is no trace of blktrace's: at byte ${place} no event begins.`,
      );
    }
    const action = data.readUInt32LE(place + eventAt.action);
    const dataLength = data.readUInt16LE(place + eventAt.dataLength);
    const kind = action & 0xffff;
    const what = action >>> CATEGORY_SHIFT;
    const isNotice = (what & category.notify) !== 0;
    if (isNotice && kind === blkAction.timestamp && place + EVENT_BYTES + 8 <= data.length) {
      const seconds = BigInt(data.readUInt32LE(place + EVENT_BYTES));
      const rest = BigInt(data.readUInt32LE(place + EVENT_BYTES + 4));
      // When the clock showed this, the trace's own showed the event's time.
      start ??= seconds * SECOND + rest - data.readBigUInt64LE(place + eventAt.time);
    } else if (!isNotice) {
      const sector = data.readBigUInt64LE(place + eventAt.sector);
      const length = data.readUInt32LE(place + eventAt.bytes);
      events.push({
        time: data.readBigUInt64LE(place + eventAt.time),
        sector: length === 0 && sector === NO_SECTOR ? 0n : sector,
        bytes: length,
        action: kind,
        category: what,
        cpu: data.readUInt32LE(place + eventAt.cpu),
        error: errnoOf(data.readUInt16LE(place + eventAt.error)),
      });
    }
    place += EVENT_BYTES + dataLength;
  }
  const isCut = place !== data.length;
  return {
    events,
    start,
    remarks: isCut ? [`${path} is cut off; its last event is left out.`] : [],
  };
}

/** The kernel writes a negative number into 16 bits without a sign. */
const errnoOf = (raw: number): number => (raw > 0x7fff ? 0x1_0000 - raw : raw);

/** Events with the same key belong together: where a request begins, and its direction. */
const keyOf = ({ sector, category: what }: Event): string =>
  `${sector} ${what & (category.write | category.discard | category.flush)}`;

function pair(events: readonly Event[]): { readonly requests: Completed[]; readonly open: number } {
  const queued = new Map<string, Request[]>();
  const issued = new Map<string, Request[]>();
  const requests: Completed[] = [];
  const put = (map: Map<string, Request[]>, key: string, request: Request) => {
    const list = map.get(key);
    if (list) list.push(request);
    else map.set(key, [request]);
  };
  const take = (map: Map<string, Request[]>, key: string): Request | undefined => {
    const list = map.get(key);
    const request = list?.shift();
    if (list?.length === 0) map.delete(key);
    return request;
  };
  /** The newest of the key is the one that a merge is about. */
  const dropLast = (map: Map<string, Request[]>, key: string): void => {
    const list = map.get(key);
    list?.pop();
    if (list?.length === 0) map.delete(key);
  };
  for (const event of events) {
    const key = keyOf(event);
    if (event.action === blkAction.queue) {
      put(queued, key, { arrival: event.time, issue: null, event });
    } else if (event.action === blkAction.backMerge) {
      dropLast(queued, key);
    } else if (event.action === blkAction.frontMerge) {
      dropLast(queued, key);
      // What it was put in front of begins here from now on.
      const behind = event.sector + BigInt(event.bytes / SECTOR_BYTES);
      const request = take(queued, keyOf({ ...event, sector: behind }));
      if (request) put(queued, key, request);
    } else if (event.action === blkAction.requeue) {
      const request = take(issued, key);
      if (request) put(queued, key, { ...request, issue: null });
    } else if (event.action === blkAction.issue) {
      const arrival = take(queued, key)?.arrival ?? event.time;
      put(issued, key, { arrival, issue: event.time, event });
    } else if (event.action === blkAction.complete) {
      const request = take(issued, key) ?? take(queued, key);
      if (request) requests.push({ ...request, completion: event.time, error: event.error });
    }
  }
  requests.sort((left, right) =>
    left.arrival < right.arrival ? -1 : left.arrival > right.arrival ? 1 : 0,
  );
  const open = [...issued.values()].reduce((sum, list) => sum + list.length, 0);
  return { requests, open };
}

interface Completed extends Request {
  readonly completion: bigint;
  readonly error: number;
}

/** Those that a capture may have, and what is wrong with the first of the others; null without any. */
function possible(all: readonly Completed[]): {
  readonly requests: readonly Completed[];
  readonly impossible: string | null;
} {
  let impossible: string | null = null;
  const requests = all.filter(({ arrival, completion, event }) => {
    const { sector, bytes: length } = event;
    const operation = operationOf(event);
    const why = whyImpossible({ arrival, completion, sector, length: BigInt(length), operation });
    impossible ??= why;
    return why === null;
  });
  return { requests, impossible };
}

function operationOf({ category: what, bytes: length }: Event): number {
  if ((what & category.discard) !== 0) return wire.DM_USER_REQUEST_DISCARD;
  if ((what & category.flush) !== 0 && length === 0) return wire.DM_USER_REQUEST_FLUSH;
  return (what & category.write) !== 0 ? wire.DM_USER_REQUEST_WRITE : wire.DM_USER_REQUEST_READ;
}

function flagsOf({ category: what, bytes: length }: Event): number {
  const pairs = [
    [category.sync, wire.DM_USER_FLAG_SYNC],
    [category.meta, wire.DM_USER_FLAG_META],
    [category.fua, wire.DM_USER_FLAG_FUA],
    [category.ahead, wire.DM_USER_FLAG_RAHEAD],
    [length > 0 ? category.flush : 0, wire.DM_USER_FLAG_PREFLUSH],
  ] as const;
  return pairs.reduce((flags, [bit, flag]) => ((what & bit) === 0 ? flags : flags | flag), 0);
}

function records(requests: readonly Completed[], first: number): ArrayBuffer {
  const made = new ArrayBuffer(requests.length * RECORD_BYTES);
  requests.forEach(({ arrival, issue, completion, event, error }, index) => {
    const view = new DataView(made, index * RECORD_BYTES, RECORD_BYTES);
    const delay = issue === null ? 0n : issue - arrival;
    view.setBigUint64(at.sequence, BigInt(first + index + 1), true);
    view.setBigUint64(at.arrivalNs, arrival, true);
    view.setBigUint64(at.completionNs, completion, true);
    view.setBigUint64(at.sector, event.sector, true);
    view.setBigUint64(at.length, BigInt(event.bytes), true);
    view.setUint32(at.flags, flagsOf(event), true);
    view.setUint32(at.backendDelayNs, delay > 0xffff_ffffn ? 0xffff_ffff : Number(delay), true);
    view.setUint16(at.queue, event.cpu & 0xffff, true);
    view.setUint16(at.error, error, true);
    view.setUint8(at.operation, operationOf(event));
    view.setUint8(at.result, error === 0 ? wire.BIOSCOPE_RESULT_OK : wire.BIOSCOPE_RESULT_ERROR);
  });
  return made;
}
