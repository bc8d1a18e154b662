/** Requests to the helper and its replies, as bytes: native/wire/helper.h. */
import { endianness } from 'node:os';
import {
  BIOSCOPE_HELPER_REPLY_BYTES,
  BIOSCOPE_HELPER_REQUEST_BYTES,
  BIOSCOPE_HELPER_VERSION,
  bioscopeHelperReplyOffsets as replyAt,
  bioscopeHelperRequestOffsets as requestAt,
} from '../contract/wire.gen';

const isLittle = endianness() === 'LE';
const NAME_BYTES = requestAt.label - requestAt.name;
const LABEL_BYTES = 64;

export interface HelperRequest {
  readonly verb: number;
  readonly sectors?: bigint;
  readonly flags?: number;
  readonly count?: number;
  readonly handle?: number;
  readonly name?: string;
  readonly label?: string;
}

export interface HelperReply {
  readonly id: bigint;
  readonly verb: number;
  /** 0 when done. */
  readonly errno: number;
  readonly flags: number;
  readonly handle: number;
  readonly count: number;
  readonly owner: number;
  readonly major: number;
  readonly minor: number;
  readonly sectors: bigint;
  readonly backingDevice: bigint;
  readonly backingInode: bigint;
  readonly step: string;
  readonly name: string;
  readonly label: string;
  readonly text: string;
  /** The receiver's to close. */
  readonly descriptors: readonly number[];
}

/** Throws RangeError for a string that does not fit or has a NUL in it. */
export function encodeRequest(id: bigint, request: HelperRequest): Uint8Array {
  const bytes = new Uint8Array(BIOSCOPE_HELPER_REQUEST_BYTES);
  const view = new DataView(bytes.buffer);
  const word = (offset: number, value: number) => view.setUint32(offset, value, isLittle);
  view.setBigUint64(requestAt.id, id, isLittle);
  view.setBigUint64(requestAt.sectors, request.sectors ?? 0n, isLittle);
  word(requestAt.version, BIOSCOPE_HELPER_VERSION);
  word(requestAt.verb, request.verb);
  word(requestAt.flags, request.flags ?? 0);
  word(requestAt.count, request.count ?? 0);
  word(requestAt.handle, request.handle ?? 0);
  putText(bytes, requestAt.name, NAME_BYTES, request.name ?? '');
  putText(bytes, requestAt.label, LABEL_BYTES, request.label ?? '');
  return bytes;
}

function putText(bytes: Uint8Array, offset: number, size: number, text: string): void {
  const encoded = Buffer.from(text, 'utf8');
  if (encoded.length >= size || encoded.includes(0)) {
    throw new RangeError(`"${text}" is longer than ${size - 1} bytes, or has a NUL in it.`);
  }
  bytes.set(encoded, offset);
}

/** Throws RangeError for bytes that are no reply of this version. */
export function decodeReply(bytes: Uint8Array, descriptors: readonly number[]): HelperReply {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength !== BIOSCOPE_HELPER_REPLY_BYTES) {
    throw new RangeError(`a reply of ${bytes.byteLength} bytes`);
  }
  const word = (offset: number) => view.getUint32(offset, isLittle);
  const long = (offset: number) => view.getBigUint64(offset, isLittle);
  if (word(replyAt.version) !== BIOSCOPE_HELPER_VERSION) {
    throw new RangeError(`a reply of version ${word(replyAt.version)}`);
  }
  return {
    id: long(replyAt.id),
    verb: word(replyAt.verb),
    errno: word(replyAt.error),
    flags: word(replyAt.flags),
    handle: word(replyAt.handle),
    count: word(replyAt.count),
    owner: word(replyAt.owner),
    major: word(replyAt.major),
    minor: word(replyAt.minor),
    sectors: long(replyAt.sectors),
    backingDevice: long(replyAt.backingDevice),
    backingInode: long(replyAt.backingInode),
    step: getText(bytes, replyAt.step, replyAt.name),
    name: getText(bytes, replyAt.name, replyAt.label),
    label: getText(bytes, replyAt.label, replyAt.text),
    text: getText(bytes, replyAt.text, replyAt.size),
    descriptors,
  };
}

function getText(bytes: Uint8Array, from: number, to: number): string {
  const field = Buffer.from(bytes.subarray(from, to));
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? field.length : end);
}
