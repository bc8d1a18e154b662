/** Told apart from an image before either is opened. */
import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';

/** The header of a capture is within so many bytes. */
const LOOK_BYTES = 64 * 1024;

/**
 * Whether `path` begins as a capture does, or is called one: what is left of one that was cut
 * short is no image to be written to. What cannot be read is none, and an image's own errors
 * tell why.
 */
export async function looksLikeCapture(path: string): Promise<boolean> {
  try {
    // To open a pipe or a tape does something to it; a pipe put there since would never be open.
    if (!(await stat(path)).isFile()) return false;
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if (!(await file.stat()).isFile()) return false;
      if (path.endsWith('.bioscope')) return true;
      const { buffer, bytesRead } = await file.read(Buffer.alloc(LOOK_BYTES), 0, LOOK_BYTES, 0);
      return (
        bytesRead > 8 &&
        buffer.readUInt32LE(0) === 0xffff_ffff &&
        buffer.includes('bioscope.capture')
      );
    } finally {
      await file.close();
    }
  } catch {
    return false;
  }
}
