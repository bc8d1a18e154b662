/** Opens a capture with the native addon's checksum. */
import { loadAddon } from '../addon/load';
import { CaptureFile } from './file';

/** Throws BioscopeError, as CaptureFile.open does. */
export function openCapture(path: string): Promise<CaptureFile> {
  const addon = loadAddon();
  return CaptureFile.open(path, (bytes, before) => addon.crc32c(bytes, before));
}
