/** Recognises files that hold a disk in another form than raw, by their first bytes. */
const signatures: readonly { readonly bytes: Buffer; readonly name: string }[] = [
  { bytes: Buffer.from('QFI\xfb', 'latin1'), name: 'a QCOW image' },
  { bytes: Buffer.from('KDMV', 'latin1'), name: 'a VMDK image' },
  { bytes: Buffer.from('<<< ', 'latin1'), name: 'a VDI image' },
  { bytes: Buffer.from('vhdxfile', 'latin1'), name: 'a VHDX image' },
  { bytes: Buffer.from('conectix', 'latin1'), name: 'a dynamic VHD image' },
  { bytes: Buffer.from('\x3a\xff\x26\xed', 'latin1'), name: 'an Android sparse image' },
  { bytes: Buffer.from('\x1f\x8b', 'latin1'), name: 'a gzip archive' },
  { bytes: Buffer.from('\xfd7zXZ\0', 'latin1'), name: 'an xz archive' },
  { bytes: Buffer.from('\x28\xb5\x2f\xfd', 'latin1'), name: 'a zstd archive' },
  { bytes: Buffer.from('BZh', 'latin1'), name: 'a bzip2 archive' },
  { bytes: Buffer.from('PK\x03\x04', 'latin1'), name: 'a zip archive' },
];

export const LONGEST_SIGNATURE = Math.max(...signatures.map(({ bytes }) => bytes.length));

/** "a QCOW image" and the like; null for anything that may well be raw. */
export function foreignFormat(start: Buffer): string | null {
  const found = signatures.find(({ bytes }) => start.subarray(0, bytes.length).equals(bytes));
  return found?.name ?? null;
}
