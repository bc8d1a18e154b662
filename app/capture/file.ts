/**
 * Opens a capture and reads from it. Opening walks over the heads of the batches
 * only; records and payloads are read, and their checksums verified, when they
 * are wanted.
 */
import { closeSync, fstatSync, openSync, readSync, constants } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { Message } from 'apache-arrow';
import type { Schema } from 'apache-arrow/schema';
import {
  HEAD_BYTES,
  LONGEST_METADATA,
  PREFIX_BYTES,
  batchLayout,
  readHead,
  type BatchHead,
  type Checksum,
} from './batch';
import {
  damagedCapture,
  impossibleRequests,
  newerCapture,
  notACapture,
  readError,
} from './capture-errors';
import { toRecords, type BodyLayout } from './columns';
import { fromMetadata, type CaptureHeader } from './header';
import { impossibility } from './possible';

/** Where a batch lies. */
export interface BatchPlace {
  readonly head: BatchHead;
  /** Of the body, in the file. */
  readonly position: number;
  readonly layout: BodyLayout;
  /** Number of its first row in the file. */
  readonly firstRow: number;
}

/** The records of one batch, as columns. */
export interface BatchRecords {
  readonly rows: number;
  /** From the batch's body; `layout` says where each column is. */
  readonly body: ArrayBuffer;
  readonly layout: BodyLayout;
}

/** More of either is no batch of ours. */
const MOST_ROWS = 1 << 20;
const MOST_PAYLOAD_BYTES = 1 << 30;
/** Enough for a batch's prefix, metadata and head. */
const LOOK_BYTES = 4096;
/** Batches walked over without letting others have their turn. */
const WALK = 2000;

export class CaptureFile {
  readonly path: string;
  readonly header: CaptureHeader;
  readonly batches: readonly BatchPlace[];
  /** False when the recording was interrupted, or the file cut short: `batches` is what is whole. */
  readonly isComplete: boolean;
  /** Bytes at the end that belong to no whole batch. */
  readonly bytesIgnored: number;
  readonly size: number;
  private readonly checksum: Checksum;
  private descriptor: number;
  private latest: { readonly index: number; readonly records: BatchRecords } | null = null;
  private latestPayloads: { readonly index: number; readonly bytes: Uint8Array } | null = null;

  private constructor(
    path: string,
    descriptor: number,
    checksum: Checksum,
    found: {
      readonly header: CaptureHeader;
      readonly batches: readonly BatchPlace[];
      readonly isComplete: boolean;
      readonly end: number;
      readonly size: number;
    },
  ) {
    this.path = path;
    this.descriptor = descriptor;
    this.checksum = checksum;
    this.header = found.header;
    this.batches = found.batches;
    this.isComplete = found.isComplete;
    this.size = found.size;
    this.bytesIgnored = found.size - found.end;
  }

  /** Throws BioscopeError: FILE_UNREADABLE, CAPTURE_FOREIGN, CAPTURE_NEWER, CAPTURE_DAMAGED. */
  static async open(path: string, checksum: Checksum): Promise<CaptureFile> {
    let descriptor: number;
    try {
      descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (thrown) {
      throw readError(path, thrown);
    }
    try {
      const status = fstatSync(descriptor);
      if (!status.isFile()) throw notACapture(path);
      const found = await new Walk(path, descriptor, status.size, checksum).go();
      return new CaptureFile(path, descriptor, checksum, found);
    } catch (thrown) {
      closeSync(descriptor);
      throw readError(path, thrown);
    }
  }

  /** Rows in all, requests lost while recording, payloads that came too late. */
  get totals(): { readonly rows: number; readonly lost: number; readonly payloadsDropped: number } {
    let rows = 0;
    let lost = 0;
    let payloadsDropped = 0;
    for (const { head } of this.batches) {
      rows += head.rows;
      lost += head.lost;
      payloadsDropped += head.payloadsDropped;
    }
    return { rows, lost, payloadsDropped };
  }

  /** The columns of a batch. Blocks while it reads. Throws CAPTURE_DAMAGED. */
  records(index: number): BatchRecords {
    if (this.latest?.index === index) return this.latest.records;
    const records = this.recordsInto(index, new ArrayBuffer(this.batch(index).layout.payload));
    this.latest = { index, records };
    return records;
  }

  /**
   * Like `records`, into `body` if that is long enough, which is then the answer's
   * until the next call: what reads all batches in turn needs no memory for each.
   */
  recordsInto(index: number, body: ArrayBuffer): BatchRecords {
    const { head, layout, position } = this.batch(index);
    const room = body.byteLength < layout.payload ? new ArrayBuffer(layout.payload) : body;
    const bytes = new Uint8Array(room, 0, layout.payload);
    this.readAll(bytes, position, index);
    if (this.checksum(bytes.subarray(HEAD_BYTES), 0) !== head.sumRecords) {
      throw damagedCapture(this.path, describe(index, head));
    }
    const wrong = impossibility(room, layout, head);
    if (wrong !== null) throw impossibleRequests(this.path, describe(index, head), wrong);
    return { rows: head.rows, body: room, layout };
  }

  /**
   * Rows [first, first + count) of a batch as trace records of disk number
   * `disk`, in the order of the file.
   */
  copyRecords(index: number, first: number, count: number, into: ArrayBuffer, disk: number): void {
    const { body, layout } = this.records(index);
    toRecords(body, layout, first, count, into, disk);
  }

  /** All payloads of a batch, in one piece; `payloadPlace` finds each. Throws CAPTURE_DAMAGED. */
  payloads(index: number): Uint8Array {
    if (this.latestPayloads?.index === index) return this.latestPayloads.bytes;
    const { head, layout, position } = this.batch(index);
    const bytes = new Uint8Array(head.payloadBytes);
    this.readAll(bytes, position + layout.payload, index);
    if (this.checksum(bytes, 0) !== head.sumPayload) {
      throw damagedCapture(this.path, `the payloads of ${describe(index, head)}`);
    }
    this.latestPayloads = { index, bytes };
    return bytes;
  }

  /** Which batch and row has a request; null when the file has none of that number. */
  find(sequence: bigint): { readonly index: number; readonly row: number } | null {
    for (let index = 0; index < this.batches.length; index++) {
      const head = this.batches[index]?.head;
      if (!head || sequence < head.first || sequence > head.last || head.rows === 0) continue;
      const { body, layout, rows } = this.records(index);
      const row = new BigUint64Array(body, layout.columns[0], rows).indexOf(sequence);
      if (row !== -1) return { index, row };
    }
    return null;
  }

  /**
   * Part of a request's payload: `total` is the length of all of it. Null when
   * the file has none. Throws CAPTURE_DAMAGED.
   */
  readPayload(
    sequence: bigint,
    offset: number,
    length: number,
  ): { readonly total: number; readonly bytes: Uint8Array } | null {
    const found = this.find(sequence);
    const place = found && payloadPlace(this.records(found.index), found.row);
    if (!found || !place) return null;
    const part = this.payloads(found.index).subarray(place.start, place.end);
    return { total: part.length, bytes: part.subarray(offset, offset + length) };
  }

  close(): void {
    if (this.descriptor === -1) return;
    closeSync(this.descriptor);
    this.descriptor = -1;
    this.latest = null;
    this.latestPayloads = null;
  }

  private batch(index: number): BatchPlace {
    const batch = this.batches[index];
    if (!batch) throw new RangeError(`there is no batch ${index}`);
    return batch;
  }

  private readAll(into: Uint8Array, position: number, index: number): void {
    let done = 0;
    while (done < into.length) {
      const count = readSync(this.descriptor, into, done, into.length - done, position + done);
      // It was longer when it was opened.
      if (count === 0) throw damagedCapture(this.path, `batch ${index + 1}, which is cut off,`);
      done += count;
    }
  }
}

/** Where the payload of a row lies within its batch's payloads; null when it has none. */
export function payloadPlace(
  { body, layout, rows }: BatchRecords,
  row: number,
): { readonly start: number; readonly end: number } | null {
  const validity = new Uint8Array(body, layout.validity);
  if (((validity[row >>> 3] ?? 0) & (1 << (row & 7))) === 0) return null;
  const offsets = new Int32Array(body, layout.offsets, rows + 1);
  return { start: offsets[row] ?? 0, end: offsets[row + 1] ?? 0 };
}

const describe = (index: number, { first, last }: BatchHead): string =>
  `batch ${index + 1} (requests ${first} to ${last})`;

/** From one batch to the next. */
class Walk {
  private readonly path: string;
  private readonly descriptor: number;
  private readonly size: number;
  private readonly checksum: Checksum;
  private readonly look = new Uint8Array(LOOK_BYTES);

  constructor(path: string, descriptor: number, size: number, checksum: Checksum) {
    this.path = path;
    this.descriptor = descriptor;
    this.size = size;
    this.checksum = checksum;
  }

  async go() {
    const first = this.opening();
    const header = this.header(first.schema);
    const batches = [first.batch];
    let end = first.batch.position + first.batch.layout.total;
    let rows = first.batch.head.rows;
    let isComplete = false;
    for (let walked = 1; ; walked++) {
      if (walked % WALK === 0) await turn();
      const next = this.next(end, batches.length, rows);
      if (next === 'end') {
        isComplete = true;
        end += PREFIX_BYTES;
      }
      if (next === 'end' || next === 'cut') break;
      batches.push(next);
      rows += next.head.rows;
      end = next.position + next.layout.total;
    }
    const { size } = this;
    return { header, batches, isComplete, end, size };
  }

  /** The schema, and the batch without rows behind it, whose head guards it. */
  private opening(): { readonly schema: Uint8Array; readonly batch: BatchPlace } {
    const bytes = this.read(0, 2 * (LONGEST_METADATA + PREFIX_BYTES) + HEAD_BYTES);
    const schemaEnd = messageEnd(bytes, 0);
    if (schemaEnd === null) throw notACapture(this.path);
    const batchEnd = messageEnd(bytes, schemaEnd);
    if (batchEnd === null || batchEnd + HEAD_BYTES > bytes.length) throw notACapture(this.path);
    const batch = this.place(bytes.subarray(0, batchEnd + HEAD_BYTES), 0, 0, 0);
    if (batch === 'cut') throw notACapture(this.path);
    return { schema: bytes.subarray(PREFIX_BYTES, schemaEnd), batch };
  }

  private header(schema: Uint8Array): CaptureHeader {
    const { metadata } = Message.decode(schema).header() as Schema;
    const header = fromMetadata(metadata);
    if (!header) throw notACapture(this.path);
    return header;
  }

  private next(position: number, index: number, firstRow: number): BatchPlace | 'end' | 'cut' {
    const bytes = this.read(position, LOOK_BYTES);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length >= PREFIX_BYTES && view.getUint32(0, true) === 0xffff_ffff) {
      if (view.getUint32(4, true) === 0) return 'end';
    }
    const end = messageEnd(bytes, 0);
    // Nothing, a piece of a batch, or room that a crash left empty.
    if (end === null || end + HEAD_BYTES > bytes.length) return 'cut';
    return this.place(bytes.subarray(0, end + HEAD_BYTES), position, index, firstRow);
  }

  /** `bytes`: from `position` to the end of the batch's head. */
  private place(
    bytes: Uint8Array,
    position: number,
    index: number,
    firstRow: number,
  ): BatchPlace | 'cut' {
    const before = bytes.length - HEAD_BYTES;
    // Room that a crash left empty, though what is before it had got to the disk.
    if (index > 0 && bytes.subarray(before).every((byte) => byte === 0)) return 'cut';
    const head = readHead(bytes.subarray(before), this.checksum);
    if (head === 'newer') throw newerCapture(this.path);
    if (head === 'foreign' && index === 0) throw notACapture(this.path);
    if (typeof head === 'string') throw this.damaged(index);
    const isSane = head.rows <= MOST_ROWS && head.payloadBytes <= MOST_PAYLOAD_BYTES;
    if (!isSane || this.checksum(bytes.subarray(0, before), 0) !== head.sumBefore) {
      throw this.damaged(index);
    }
    const layout = batchLayout(head.rows, head.payloadBytes);
    if (position + before + layout.total > this.size) return 'cut';
    return { head, position: position + before, layout, firstRow };
  }

  private damaged(index: number) {
    const where = index === 0 ? 'its header' : `the head of batch ${index + 1}`;
    return damagedCapture(this.path, where);
  }

  /** Up to `length` bytes, as many as there are; they are gone at the next call. */
  private read(position: number, length: number): Uint8Array {
    const into = length <= LOOK_BYTES ? this.look.subarray(0, length) : new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const count = readSync(this.descriptor, into, done, length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return into.subarray(0, done);
  }
}

/** Where the metadata of the message at `start` ends; null when that is no whole message. */
function messageEnd(bytes: Uint8Array, start: number): number | null {
  if (start + PREFIX_BYTES > bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(start + 4, true);
  if (view.getUint32(start, true) !== 0xffff_ffff || length === 0 || length > LONGEST_METADATA) {
    return null;
  }
  const end = start + PREFIX_BYTES + length;
  return end <= bytes.length ? end : null;
}
