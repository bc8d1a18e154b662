/**
 * Branded units. A `Sector` is never added to a `Bytes` by accident, and what is
 * 64 bits wide in the kernel is a bigint here and a decimal string in JSON.
 */
import { z } from './schema';

declare const unit: unique symbol;
type Branded<Base, Name extends string> = Base & { readonly [unit]: Name };

/** A count of bytes. */
export type Bytes = Branded<bigint, 'bytes'>;
/** The address or count of a sector of 512 bytes, whatever the device's block size. */
export type Sector = Branded<bigint, 'sector'>;
/** Nanoseconds of CLOCK_MONOTONIC, or a difference of two. */
export type Nanoseconds = Branded<bigint, 'nanoseconds'>;
/** Number of a request on its disk, from 1, in the order of arrival. */
export type Sequence = Branded<bigint, 'sequence'>;
/** Name of an attached disk, unique in its daemon's runtime directory. */
export type DiskId = Branded<string, 'disk'>;

/** Bytes in a sector: DM_USER_SECTOR_BYTES, as the kernel's SECTOR_SIZE. */
export const SECTOR_BYTES = 512;

export const bytes = (value: bigint | number): Bytes => BigInt(value) as Bytes;
export const sector = (value: bigint | number): Sector => BigInt(value) as Sector;
export const nanoseconds = (value: bigint | number): Nanoseconds => BigInt(value) as Nanoseconds;
export const sequence = (value: bigint | number): Sequence => BigInt(value) as Sequence;
export const diskId = (value: string): DiskId => value as DiskId;

/** The first byte of a sector. */
export const sectorToBytes = (value: Sector): Bytes => bytes(value * BigInt(SECTOR_BYTES));

const u64Limit = 1n << 64n;

/** 0 … 2^64 - 1, as a bigint or (in JSON) a decimal string; parsed to a bigint. */
const u64 = z
  .union([z.bigint(), z.string().regex(/^\d{1,20}$/, 'not a decimal integer')])
  .transform((value) => BigInt(value))
  .refine((value) => value >= 0n && value < u64Limit, 'outside 0 … 2^64 - 1');

export const bytesSchema = u64.transform((value) => value as Bytes);
export const sectorSchema = u64.transform((value) => value as Sector);
export const nanosecondsSchema = u64.transform((value) => value as Nanoseconds);
export const sequenceSchema = u64.transform((value) => value as Sequence);
export const diskIdSchema = z
  .string()
  .regex(/^[a-z0-9-]{1,40}$/, 'not the id of a disk')
  .transform((value) => value as DiskId);

/** JSON with bigints as decimal strings, the form the schemas above read. */
export function encodeJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'bigint' ? item.toString() : item,
  );
}
