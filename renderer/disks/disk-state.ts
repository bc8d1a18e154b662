/** The disks and the daemon as the window knows them. */
import { useSyncExternalStore } from 'react';
import { create } from 'zustand';
import type { Disk, DiskStatistics, RouteWish } from '../../app/contract/disk';
import type { ErrorValue } from '../../app/contract/errors';
import type { DiskId } from '../../app/contract/units';
import type { DaemonState, WindowEvents, WindowState } from '../../app/contract/window-api';
import { RateHistory } from './rate-history';

/** An image on its way to be a disk, or what kept it from becoming one. */
export interface Attachment {
  readonly id: number;
  readonly path: string;
  readonly readOnly: boolean;
  readonly error: ErrorValue | null;
  /** False for a file that is something else: its problem is shown here, and nothing is attached. */
  readonly isImage?: boolean;
}

export interface DisksState {
  readonly daemon: DaemonState;
  readonly disks: readonly Disk[];
  readonly selected: DiskId | null;
  readonly attachments: readonly Attachment[];
  /** Why a disk was not detached (or dismissed), until that is dismissed. */
  readonly refusals: Readonly<Record<string, ErrorValue>>;
  /** Disks whose detaching was asked for and not answered yet. */
  readonly detaching: readonly DiskId[];
  /** Switch of the attach form. */
  readonly attachReadOnly: boolean;
  /** Choice of the attach form. */
  readonly attachRoute: RouteWish;
  /** The state of the daemon has arrived once. */
  readonly isKnown: boolean;
}

export const useDisks = create<DisksState>(() => ({
  daemon: { phase: 'starting' },
  disks: [],
  selected: null,
  attachments: [],
  refusals: {},
  detaching: [],
  attachReadOnly: false,
  attachRoute: 'auto',
  isKnown: false,
}));

/** Takes the state from main. A disk that has gone leaves nothing behind; the selection moves on. */
export function takeState({ daemon, disks }: WindowState): void {
  const { selected, refusals, disks: before } = useDisks.getState();
  const isThere = (id: string) => disks.some((disk) => disk.id === id);
  let next = selected;
  if (next === null || !isThere(next)) {
    const place = before.findIndex((disk) => disk.id === selected);
    next = (disks[Math.min(Math.max(place, 0), disks.length - 1)] ?? null)?.id ?? null;
  }
  useDisks.setState({
    daemon,
    disks,
    selected: next,
    refusals: Object.fromEntries(Object.entries(refusals).filter(([id]) => isThere(id))),
    isKnown: true,
  });
  for (const id of statistics.keys()) if (!isThere(id)) statistics.delete(id);
}

export function selectDisk(selected: DiskId): void {
  useDisks.setState({ selected });
}

export function useSelectedDisk(): Disk | null {
  return useDisks(({ disks, selected }) => disks.find((disk) => disk.id === selected) ?? null);
}

// Statistics come four times a second: kept beside the store, announced by a counter.

interface DiskNumbers {
  readonly history: RateHistory;
  last: DiskStatistics | null;
}

const statistics = new Map<DiskId, DiskNumbers>();
const listeners = new Set<() => void>();
let version = 0;
let daemonCpu = 0;

export function takeStatistics({ disks, cpu }: WindowEvents['statistics']): void {
  daemonCpu = cpu;
  for (const one of disks) {
    const numbers = statistics.get(one.disk) ?? { history: new RateHistory(), last: null };
    statistics.set(one.disk, numbers);
    numbers.history.add(one);
    numbers.last = one;
  }
  version++;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The numbers of a disk; the component draws again with each new sample. */
export function useDiskNumbers(disk: DiskId | null): DiskNumbers | null {
  useSyncExternalStore(subscribe, () => version);
  return disk === null ? null : (statistics.get(disk) ?? null);
}

/** Share of one CPU that the daemon uses. */
export function useDaemonCpu(): number {
  return useSyncExternalStore(subscribe, () => daemonCpu);
}
