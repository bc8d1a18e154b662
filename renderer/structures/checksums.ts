/** The checksums that on-disk structures carry. */
import { sha256, sha512 } from '@noble/hashes/sha2.js';

function reflectedTable(polynomial: number): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, index) => {
    let value = index;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    return value >>> 0;
  });
}

const ieeeTable = reflectedTable(0xedb88320);
const castagnoliTable = reflectedTable(0x82f63b78);
const ansiTable = reflectedTable(0xa001);

function update(table: Uint32Array, seed: number, bytes: Uint8Array): number {
  let value = seed;
  for (const byte of bytes) value = (table[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8);
  return value >>> 0;
}

/** CRC-32 (IEEE) as zip and GPT have it. */
export const crc32 = (bytes: Uint8Array): number => ~update(ieeeTable, 0xffffffff, bytes) >>> 0;

/** The register of CRC-32 (IEEE) after `bytes`, from any seed, not inverted: LVM's. */
export const crc32Register = (seed: number, bytes: Uint8Array): number =>
  update(ieeeTable, seed, bytes);

/** The register of CRC-32C after `bytes`, not inverted: ext4's and JBD2's, which chain it. */
export const crc32cRegister = (seed: number, bytes: Uint8Array): number =>
  update(castagnoliTable, seed, bytes);

/** The register of CRC-16 (ANSI) after `bytes`: ext4's group descriptors without metadata_csum. */
export const crc16Register = (seed: number, bytes: Uint8Array): number =>
  update(ansiTable, seed, bytes);

/** `bytes` with [at, at + size) zeroed: most structures checksum themselves that way. */
export function without(bytes: Uint8Array, at: number, size: number): Uint8Array {
  const copy = bytes.slice();
  copy.fill(0, at, at + size);
  return copy;
}

export const u32Bytes = (value: number): Uint8Array =>
  Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);

/** The digests LUKS2 headers may name; undefined for any other. */
export const digests: Readonly<Record<string, ((bytes: Uint8Array) => Uint8Array) | undefined>> = {
  sha256: (bytes) => sha256(bytes),
  sha512: (bytes) => sha512(bytes),
};
