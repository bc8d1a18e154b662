/**
 * One batch of a capture: an Arrow record batch whose body begins with 64 bytes
 * of our own, which no column refers to, so that other readers never see them.
 * They carry the checksums, and let a reader walk over the file without looking
 * at anything else.
 */
import { Message, MessageHeader, MetadataVersion } from 'apache-arrow';
import { BufferRegion, FieldNode, RecordBatch } from 'apache-arrow/ipc/metadata/message';
import { CAPTURE_VERSION } from './header';
import { align, bodyLayout, columns, type BodyLayout } from './columns';

export const HEAD_BYTES = 64;
/** Behind the 4 bytes 0xFFFFFFFF and the length of the metadata. */
export const PREFIX_BYTES = 8;
/** More metadata than any batch of ours has. */
export const LONGEST_METADATA = 64 * 1024;
/** "bioscap" as little-endian bytes, and a NUL. */
const MAGIC = 0x706163736f6962n;

/** The 64 bytes. All sums are CRC-32C. */
export interface BatchHead {
  readonly version: number;
  readonly rows: number;
  /** Of everything from the end of the batch before (the beginning, for the first) to this head. */
  readonly sumBefore: number;
  /** Of the columns: from the head to the payloads' bytes. */
  readonly sumRecords: number;
  readonly sumPayload: number;
  readonly payloadBytes: number;
  /** Requests that could not be recorded just before this batch. */
  readonly lost: number;
  /** Payloads of this batch that were wanted but overwritten before they could be taken. */
  readonly payloadsDropped: number;
  /** Lowest and highest sequence; 0 without rows. */
  readonly first: bigint;
  readonly last: bigint;
}

export type Checksum = (bytes: Uint8Array, before: number) => number;

const place = {
  magic: 0,
  version: 8,
  rows: 12,
  sumBefore: 16,
  sumRecords: 20,
  sumPayload: 24,
  sumHead: 28,
  payloadBytes: 32,
  lost: 40,
  payloadsDropped: 44,
  first: 48,
  last: 56,
} as const;

export function writeHead(head: BatchHead, into: Uint8Array, checksum: Checksum): void {
  const view = new DataView(into.buffer, into.byteOffset, HEAD_BYTES);
  view.setBigUint64(place.magic, MAGIC, true);
  view.setUint32(place.version, head.version, true);
  view.setUint32(place.rows, head.rows, true);
  view.setUint32(place.sumBefore, head.sumBefore, true);
  view.setUint32(place.sumRecords, head.sumRecords, true);
  view.setUint32(place.sumPayload, head.sumPayload, true);
  view.setUint32(place.sumHead, 0, true);
  view.setBigUint64(place.payloadBytes, BigInt(head.payloadBytes), true);
  view.setUint32(place.lost, head.lost, true);
  view.setUint32(place.payloadsDropped, head.payloadsDropped, true);
  view.setBigUint64(place.first, head.first, true);
  view.setBigUint64(place.last, head.last, true);
  view.setUint32(place.sumHead, checksum(into.subarray(0, HEAD_BYTES), 0), true);
}

export type HeadProblem = 'foreign' | 'newer' | 'damaged';

/** The head in the first 64 bytes of `bytes`, or what is wrong with it. */
export function readHead(bytes: Uint8Array, checksum: Checksum): BatchHead | HeadProblem {
  const copy = bytes.slice(0, HEAD_BYTES);
  const view = new DataView(copy.buffer);
  if (view.getBigUint64(place.magic, true) !== MAGIC) return 'foreign';
  const sum = view.getUint32(place.sumHead, true);
  view.setUint32(place.sumHead, 0, true);
  if (checksum(copy, 0) !== sum) return 'damaged';
  const version = view.getUint32(place.version, true);
  if (version > CAPTURE_VERSION) return 'newer';
  return {
    version,
    rows: view.getUint32(place.rows, true),
    sumBefore: view.getUint32(place.sumBefore, true),
    sumRecords: view.getUint32(place.sumRecords, true),
    sumPayload: view.getUint32(place.sumPayload, true),
    payloadBytes: Number(view.getBigUint64(place.payloadBytes, true)),
    lost: view.getUint32(place.lost, true),
    payloadsDropped: view.getUint32(place.payloadsDropped, true),
    first: view.getBigUint64(place.first, true),
    last: view.getBigUint64(place.last, true),
  };
}

/** `message` as it stands in a stream: prefix, metadata, padding. */
export function framed(message: Message): Uint8Array {
  const metadata = Message.encode(message);
  const length = align(PREFIX_BYTES + metadata.byteLength) - PREFIX_BYTES;
  const bytes = new Uint8Array(PREFIX_BYTES + length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0xffff_ffff, true);
  view.setUint32(4, length, true);
  bytes.set(metadata, PREFIX_BYTES);
  return bytes;
}

/** The framed message that announces a batch of `rows`, of which `empty` have no payload. */
export function batchMessage(
  layout: BodyLayout,
  rows: number,
  empty: number,
  payloadBytes: number,
): Uint8Array {
  const nodes = [...columns.map(() => new FieldNode(rows, 0)), new FieldNode(rows, empty)];
  const regions = columns.flatMap(({ width }, index) => [
    // Nothing is null in these columns: they need no bits that say so.
    new BufferRegion(layout.columns[index] ?? 0, 0),
    new BufferRegion(layout.columns[index] ?? 0, width * rows),
  ]);
  regions.push(
    new BufferRegion(layout.validity, Math.ceil(rows / 8)),
    new BufferRegion(layout.offsets, 4 * (rows + 1)),
    new BufferRegion(layout.payload, payloadBytes),
  );
  const batch = new RecordBatch(rows, nodes, regions, null);
  return framed(new Message(layout.total, MetadataVersion.V5, MessageHeader.RecordBatch, batch));
}

/** What ends a stream. */
export const endOfStream = (): Uint8Array => {
  const bytes = new Uint8Array(PREFIX_BYTES);
  new DataView(bytes.buffer).setUint32(0, 0xffff_ffff, true);
  return bytes;
};

export const batchLayout = (rows: number, payloadBytes: number): BodyLayout =>
  bodyLayout(HEAD_BYTES, rows, payloadBytes);
