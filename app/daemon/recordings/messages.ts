/** Between the daemon and the thread of one recording. */
import type { PayloadChoice, RecordingWish } from '../../contract/recording';
import type { ErrorValue } from '../../contract/errors';
import type { CaptureHeader } from '../../capture/header';

/** What the thread is started with. */
export interface RecorderTask {
  /** Of the native addon: it cannot be found from inside an archive. */
  readonly addonPath: string;
  readonly tracePath: string;
  readonly path: string;
  readonly overwrite: boolean;
  readonly payloads: PayloadChoice;
  readonly past: RecordingWish['past'];
  readonly seconds: number | null;
  /** All of the capture's header that the thread does not know better. */
  readonly header: Omit<CaptureHeader, 'epochMonotonicNs' | 'epochRealtimeNs'>;
}

export interface RecorderNumbers {
  readonly records: number;
  readonly lost: number;
  readonly payloadsKept: number;
  readonly payloadsDropped: number;
  readonly bytes: number;
}

export type RecorderMessage =
  | { readonly type: 'started' }
  | { readonly type: 'numbers'; readonly numbers: RecorderNumbers }
  | { readonly type: 'ended'; readonly numbers: RecorderNumbers }
  /** Before `started`: there is no file. After: it has what was written. */
  | { readonly type: 'failed'; readonly error: ErrorValue; readonly numbers: RecorderNumbers };

/** To the thread: end with what has completed by now. */
export const STOP = 'stop';
