/** The formats a capture can be exported to. */
import { basename } from 'node:path';
import { BioscopeError } from '../../contract/errors';
import type { CaptureFile } from '../file';
import { isSameFile } from '../same-file';
import { writeBlktrace } from './blktrace';
import { writeIolog } from './iolog';
import { writeLogWrites } from './log-writes';
import { Output } from './output';
import { writeCsv, writeJsonLines, writePerfetto } from './text';

interface Exporter {
  readonly about: string;
  /** What the file's name must end with, for programs that look for it. */
  readonly ending?: string;
  /** Returns remarks for the user. */
  readonly write: (file: CaptureFile, output: Output) => string[];
}

export const exporters = {
  iolog: {
    about: "fio's iolog, version 3: fio --read_iolog does the requests again",
    write: (file, output) =>
      writeIolog(file, output, { target: file.header.device ?? basename(file.header.imagePath) }),
  },
  blktrace: {
    about: 'blktrace: for blkparse and btt',
    ending: '.blktrace.0',
    write: writeBlktrace,
  },
  'log-writes': {
    about: 'the log of dm-log-writes, for replay-log; needs payloads of writes',
    write: writeLogWrites,
  },
  perfetto: { about: "Perfetto's JSON, for ui.perfetto.dev", write: writePerfetto },
  csv: { about: 'comma-separated values', write: writeCsv },
  json: { about: 'one JSON object a line', write: writeJsonLines },
} as const satisfies Readonly<Record<string, Exporter>>;

export type ExportFormat = keyof typeof exporters;
export const exportFormats = Object.keys(exporters) as readonly ExportFormat[];
export const isExportFormat = (name: string): name is ExportFormat =>
  Object.hasOwn(exporters, name);

/**
 * Writes `file` in `format` to `path`, which must not exist unless `overwrite`.
 * Returns where it is and remarks. Throws BioscopeError; nothing is left then.
 */
export function exportCapture(
  file: CaptureFile,
  format: ExportFormat,
  path: string,
  overwrite: boolean,
): { readonly path: string; readonly remarks: readonly string[] } {
  const exporter: Exporter = exporters[format];
  const { ending = '' } = exporter;
  const name = path.replace(/\.blktrace$/, '');
  const whole = ending === '' || path.endsWith(ending) ? path : `${name}${ending}`;
  if (file.totals.rows === 0) {
    throw new BioscopeError('CAPTURE_EMPTY', `${file.path} has no requests to export.`);
  }
  if (isSameFile(file.path, whole)) {
    throw new BioscopeError('USAGE', `${whole} is the capture itself. Choose another name.`);
  }
  const output = new Output(whole, overwrite);
  try {
    const remarks = exporter.write(file, output);
    output.close();
    return { path: whole, remarks };
  } catch (thrown) {
    output.discard();
    throw thrown;
  }
}
