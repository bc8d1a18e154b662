/**
 * Marks and notes on requests, kept from one run of the window to the next for
 * as long as the trace is the same one: a daemon that is started anew numbers
 * its requests anew.
 */
import { create } from 'zustand';
import type { Disk } from '../../app/contract/disk';
import type { DiskId } from '../../app/contract/units';
import { readStored, writeStored } from '../widgets/stored';

/** Traces whose marks are remembered. */
const MOST_TRACES = 50;

/** By sequence; '' is a mark without a note. */
type Notes = Readonly<Record<string, string>>;

interface MarksState {
  /** Of the disk that is looked at. */
  readonly notes: Notes;
}

type Stored = readonly (readonly [string, Notes])[];

const isStored = (value: unknown): value is Stored =>
  Array.isArray(value) &&
  value.every(
    (pair: unknown) =>
      Array.isArray(pair) &&
      typeof pair[0] === 'string' &&
      typeof pair[1] === 'object' &&
      pair[1] !== null &&
      Object.values(pair[1] as object).every((note) => typeof note === 'string'),
  );

const traces = new Map<string, Notes>(readStored('marks', isStored, []));
/** Key of the trace whose notes are shown, and the disk that it is now. */
let current = '';
let currentDisk: DiskId | null = null;

export const useMarks = create<MarksState>(() => ({ notes: {} }));

/** A capture is another disk each time it is opened; when it was recorded stays. */
const traceKey = ({ id, capture, imagePath }: MarkedDisk, epochRealtimeNs: bigint): string =>
  capture
    ? `capture ${capture.recordedAt} ${epochRealtimeNs} ${imagePath}`
    : `${id} ${epochRealtimeNs}`;

type MarkedDisk = Pick<Disk, 'id' | 'capture' | 'imagePath'>;

/** The notes are those of this disk's trace from now on; whether they were another's before. */
export function openMarks(disk: MarkedDisk, epochRealtimeNs: bigint): boolean {
  const key = traceKey(disk, epochRealtimeNs);
  if (key === current && disk.id === currentDisk) return false;
  current = key;
  currentDisk = disk.id;
  useMarks.setState({ notes: traces.get(key) ?? {} });
  return true;
}

/** '' for a mark without a note; null when the request is not marked. */
export const noteOf = (sequence: number): string | null =>
  useMarks.getState().notes[sequence] ?? null;

/** Marks a request, with a note perhaps; null takes the mark away. */
export function setNote(sequence: number, note: string | null): void {
  const notes = Object.fromEntries(
    Object.entries(useMarks.getState().notes).filter(([key]) => key !== String(sequence)),
  );
  if (note !== null) notes[sequence] = note;
  useMarks.setState({ notes });
  traces.delete(current);
  traces.set(current, notes);
  writeStored('marks', [...traces].slice(-MOST_TRACES));
}

export const markedSequences = (): number[] => Object.keys(useMarks.getState().notes).map(Number);
