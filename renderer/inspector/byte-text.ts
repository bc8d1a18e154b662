/** Bytes as text, in the forms people paste elsewhere. */
import { formatHex } from '../widgets/numbers';

const FIRST_PRINTABLE = 0x20;
const LAST_PRINTABLE = 0x7e;

/** The character shown for a byte: itself if it is printable ASCII, else "·". */
export function characterOf(byte: number): string {
  return byte >= FIRST_PRINTABLE && byte <= LAST_PRINTABLE ? String.fromCharCode(byte) : '·';
}

/** "7f 45 4c 46", 16 bytes a line. */
export function hexText(bytes: Uint8Array): string {
  return lines(bytes, (line) => line.map((byte) => formatHex(byte, 2)).join(' ')).join('\n');
}

/** Printable ASCII as it is, with tabs and ends of lines; everything else as ".". */
export function plainText(bytes: Uint8Array): string {
  const kept = [0x09, 0x0a, 0x0d];
  let text = '';
  for (const byte of bytes) {
    const isPlain = kept.includes(byte) || (byte >= FIRST_PRINTABLE && byte <= LAST_PRINTABLE);
    text += isPlain ? String.fromCharCode(byte) : '.';
  }
  return text;
}

/** A C array: "static const unsigned char data[4] = { ... };". */
export function cArrayText(bytes: Uint8Array): string {
  const rows = lines(bytes, (line) => line.map((byte) => `0x${formatHex(byte, 2)}`).join(', '));
  return `static const unsigned char data[${bytes.length}] = {\n\t${rows.join(',\n\t')},\n};\n`;
}

export function base64Text(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

function lines(bytes: Uint8Array, line: (bytes: number[]) => string): string[] {
  const texts: string[] = [];
  for (let offset = 0; offset < bytes.length; offset += 16) {
    texts.push(line([...bytes.subarray(offset, offset + 16)]));
  }
  return texts;
}
