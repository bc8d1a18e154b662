/** Exports a capture in another program's format. */
import { basename } from 'node:path';
import { exportFormats, type ExportFormat } from '../../contract/capture';
import { BioscopeError } from '../../contract/errors';
import type { TraceRecord } from '../../contract/trace';
import type { CaptureFile } from '../file';
import { isSameFile } from '../same-file';
import { writeBlktrace } from './blktrace';
import { writeIolog } from './iolog';
import { writeLogWrites } from './log-writes';
import { Output } from './output';
import { requestsOf } from './requests';
import { writeCsv, writeJsonLines, writePerfetto } from './text';

/** Returns remarks for the user. */
type Exporter = (file: CaptureFile, requests: Iterable<TraceRecord>, output: Output) => string[];

const exporters: Readonly<Record<ExportFormat, Exporter>> = {
  iolog: (file, requests, output) =>
    writeIolog(requests, output, {
      target: file.header.device ?? basename(file.header.imagePath),
    }),
  blktrace: writeBlktrace,
  'log-writes': writeLogWrites,
  perfetto: writePerfetto,
  csv: writeCsv,
  json: writeJsonLines,
};

/** Where an export to `path` goes: some programs look for a file by its ending. */
export function exportPath(format: ExportFormat, path: string): string {
  const { ending } = exportFormats[format];
  if (ending === '' || path.endsWith(ending)) return path;
  return `${path.replace(/\.blktrace$/, '')}${ending}`;
}

/**
 * Writes `file` in `format` to `path`, which must not exist unless `overwrite`.
 * Returns where it is and remarks. Throws BioscopeError, or what `onProgress`
 * throws, which is told the share read (0 to 1) now and then; nothing is left then.
 */
export function exportCapture(
  file: CaptureFile,
  format: ExportFormat,
  path: string,
  overwrite: boolean,
  onProgress: (share: number) => void = () => undefined,
): { readonly path: string; readonly remarks: readonly string[] } {
  const whole = exportPath(format, path);
  if (file.totals.rows === 0) {
    throw new BioscopeError('CAPTURE_EMPTY', `${file.path} has no requests to export.`);
  }
  if (isSameFile(file.path, whole)) {
    throw new BioscopeError('USAGE', `${whole} is the capture itself. Choose another name.`);
  }
  const output = new Output(whole, overwrite);
  try {
    const remarks = exporters[format](file, requestsOf(file, onProgress), output);
    output.close();
    return { path: whole, remarks };
  } catch (thrown) {
    output.discard();
    throw thrown;
  }
}
