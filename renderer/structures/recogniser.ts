/** What a format's file offers, and what it is told. */
import type { ByteView } from './byte-view';
import type { Structure } from './structure';

/** One place in a payload. */
export interface Place {
  /** From this place to the end of the payload. */
  readonly view: ByteView;
  /** The same place on the device, bytes. */
  readonly device: number;
}

/** Recognises a structure by its magic: called at every sector of a payload. */
export type Recogniser = (place: Place) => Structure | null;

/**
 * A part of the device whose content is known beforehand: it has no magic, but
 * a superblock says that it lies there.
 */
export interface Region {
  /** Bytes on the device. */
  readonly start: number;
  readonly length: number;
  /** Reads what lies at `place`, which is within the region; its view ends with the region. */
  readonly read: (place: Place) => Structure | null;
}

/** Bytes of the device at [offset, offset + length); null where they are not to be had. */
export type DeviceReader = (offset: number, length: number) => Promise<Uint8Array | null>;

/** A part of the device that is a volume of its own: a partition, or all of it. */
export interface Volume {
  /** Bytes on the device. */
  readonly start: number;
  readonly length: number;
}

/** Finds what a volume says about its own regions; nothing if it is of another format. */
export type Surveyor = (volume: Volume, read: DeviceReader) => Promise<readonly Region[]>;
