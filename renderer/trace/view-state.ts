/** What the window shows of the trace: view state only, never rows. */
import { create } from 'zustand';
import type { OperationFamily, TraceRecord } from '../../app/contract/trace';
import type { DiskId } from '../../app/contract/units';
import type { Filter, FilterProblem } from '../../app/filter/filter';
import type { Sorting } from './worker/protocol';

/** The request in the inspector. It stays there when its row leaves the table. */
export interface SelectedRequest {
  readonly disk: DiskId;
  readonly record: TraceRecord;
  readonly epochMonotonicNs: bigint;
  readonly epochRealtimeNs: bigint;
}

export interface TraceViewState {
  readonly disk: DiskId | null;
  readonly following: boolean;
  readonly paused: boolean;
  /** Rows have been put away with "Clear". */
  readonly cleared: boolean;
  /** Empty: all. */
  readonly families: readonly OperationFamily[];
  /** As typed, and what the last text that could be understood means. */
  readonly filterText: string;
  readonly filter: Filter | null;
  readonly filterProblem: FilterProblem | null;
  /** Null: in the order of arrival. */
  readonly sorting: Sorting | null;
  readonly selected: SelectedRequest | null;
  /** Whether the selected request is among the rows of the table now. */
  readonly selectedIsListed: boolean;
}

export const initialTraceView: TraceViewState = {
  disk: null,
  following: true,
  paused: false,
  cleared: false,
  families: [],
  filterText: '',
  filter: null,
  filterProblem: null,
  sorting: null,
  selected: null,
  selectedIsListed: false,
};

export const useTraceView = create<TraceViewState>(() => initialTraceView);
