/**
 * A window on bytes that may be garbage. Reading past its end gives zeroes and
 * never throws; `has` tells whether a field is there at all.
 */
export type Endianness = 'little' | 'big';

const utf8 = new TextDecoder('utf-8');
const hexDigits = (byte: number): string => byte.toString(16).padStart(2, '0');

export class ByteView {
  readonly bytes: Uint8Array;
  /** Where the window begins in `bytes`. */
  readonly start: number;
  readonly length: number;
  readonly #data: DataView;

  /** The window is cut to what `bytes` holds. */
  constructor(bytes: Uint8Array, start = 0, length: number = bytes.length) {
    this.bytes = bytes;
    this.start = Math.max(0, Math.min(start, bytes.length));
    this.length = Math.max(0, Math.min(length, bytes.length - this.start));
    this.#data = new DataView(bytes.buffer, bytes.byteOffset + this.start, this.length);
  }

  has(at: number, size: number): boolean {
    return at >= 0 && size >= 0 && at + size <= this.length;
  }

  /** A window within this one. */
  part(at: number, length: number = this.length - at): ByteView {
    const from = Math.max(0, Math.min(at, this.length));
    return new ByteView(this.bytes, this.start + from, Math.min(length, this.length - from));
  }

  /** Bytes [at, at + length), fewer if they end before; no copy. */
  slice(at = 0, length: number = this.length - at): Uint8Array {
    const part = this.part(at, length);
    return this.bytes.subarray(part.start, part.start + part.length);
  }

  u8(at: number): number {
    return this.has(at, 1) ? this.#data.getUint8(at) : 0;
  }

  u16(at: number, order: Endianness = 'little'): number {
    return this.has(at, 2) ? this.#data.getUint16(at, order === 'little') : 0;
  }

  u32(at: number, order: Endianness = 'little'): number {
    return this.has(at, 4) ? this.#data.getUint32(at, order === 'little') : 0;
  }

  u64(at: number, order: Endianness = 'little'): bigint {
    return this.has(at, 8) ? this.#data.getBigUint64(at, order === 'little') : 0n;
  }

  /** A u64 as a number: exact below 2^53, which is 8 PiB of bytes. */
  wide(at: number, order: Endianness = 'little'): number {
    return Number(this.u64(at, order));
  }

  /** Text of `size` bytes up to the first NUL; what is no UTF-8 becomes U+FFFD. */
  text(at: number, size: number): string {
    const bytes = this.slice(at, size);
    const end = bytes.indexOf(0);
    return utf8.decode(end < 0 ? bytes : bytes.subarray(0, end));
  }

  /** UTF-16 of `size` bytes up to the first NUL. */
  utf16(at: number, size: number, order: Endianness = 'little'): string {
    let text = '';
    for (let index = 0; index + 1 < size && this.has(at + index, 2); index += 2) {
      const unit = this.u16(at + index, order);
      if (unit === 0) break;
      text += String.fromCharCode(unit);
    }
    return text;
  }

  hex(at: number, size: number): string {
    return Array.from(this.slice(at, size), hexDigits).join('');
  }

  /** 16 bytes as a UUID, as blkid prints it. */
  uuid(at: number): string {
    return withDashes(this.hex(at, 16));
  }

  /** A GUID as EFI and Windows store it: the first three parts little-endian. */
  guid(at: number): string {
    const first = this.u32(at).toString(16).padStart(8, '0');
    const second = this.u16(at + 4)
      .toString(16)
      .padStart(4, '0');
    const third = this.u16(at + 6)
      .toString(16)
      .padStart(4, '0');
    return withDashes(first + second + third + this.hex(at + 8, 8)).toUpperCase();
  }

  isAscii(at: number, text: string): boolean {
    if (!this.has(at, text.length)) return false;
    for (let index = 0; index < text.length; index++) {
      if (this.#data.getUint8(at + index) !== text.charCodeAt(index)) return false;
    }
    return true;
  }

  isZero(at = 0, size: number = this.length - at): boolean {
    const bytes = this.slice(at, size);
    for (const byte of bytes) if (byte !== 0) return false;
    return true;
  }
}

function withDashes(hex: string): string {
  const ends = [0, 8, 12, 16, 20, 32];
  return ends
    .slice(1)
    .map((end, index) => hex.slice(ends[index], end))
    .join('-');
}
