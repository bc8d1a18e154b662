/** The daemon's recordings as the window knows them, and what one can do with them. */
import { create } from 'zustand';
import type { Disk } from '../../app/contract/disk';
import type { ErrorValue } from '../../app/contract/errors';
import type { PayloadChoice, Recording, RecordingWish } from '../../app/contract/recording';
import type { DiskId } from '../../app/contract/units';
import type { WindowEvents } from '../../app/contract/window-api';
import { bridge } from '../shell/bridge';
import { formatCount } from '../widgets/numbers';
import { showToast } from '../widgets/toast';
import { showFileProblem } from '../disks/disk-actions';

export interface RecordingsState {
  readonly recordings: readonly Recording[];
  /** Which payloads the next recording takes. */
  readonly payloads: PayloadChoice;
}

export const useRecordings = create<RecordingsState>(() => ({
  recordings: [],
  payloads: 'none',
}));

/** The name of a file, without its folder. */
const baseName = (path: string): string => path.split('/').at(-1) ?? path;

export function takeRecordings({ recordings }: WindowEvents['recordings']): void {
  const before = useRecordings.getState().recordings;
  useRecordings.setState({ recordings });
  for (const now of recordings) {
    const earlier = before.find(({ id }) => id === now.id);
    if (earlier?.state === 'recording' && now.state !== 'recording') tellEnd(now);
  }
}

function tellEnd({ path, records, lost, error }: Recording): void {
  if (error) showFileProblem(path, error);
  else {
    const loss = lost > 0 ? `, ${formatCount(lost)} lost` : '';
    showToast(
      `${baseName(path)}: ${formatCount(records)} ${records === 1 ? 'request' : 'requests'}${loss}`,
      lost > 0,
    );
  }
}

export function useRecordingOf(disk: DiskId): Recording | null {
  return useRecordings(
    ({ recordings }) =>
      recordings.find((one) => one.disk === disk && one.state === 'recording') ?? null,
  );
}

/** "disk 2026-11-22 15.04.05.bioscope". */
function nameFor(disk: Disk, now: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join('-');
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join('.');
  return `${disk.name.replace(/\.[^.]*$/, '')} ${day} ${time}.bioscope`;
}

/** Asks where, then begins: with what comes, or (`past`) what is kept of the past alone. */
export async function record(disk: Disk, past: RecordingWish['past']): Promise<void> {
  const placed = await bridge.invoke('captures.place', { name: nameFor(disk, new Date()) });
  if (!placed.ok) {
    refuse(disk.name, placed.error);
    return;
  }
  const { path } = placed.value;
  if (path === null) return;
  const { payloads } = useRecordings.getState();
  const seconds = past.kind === 'none' ? null : 0;
  const wish = { disk: disk.id, path, overwrite: true, payloads, past, seconds };
  const begun = await bridge.invoke('recordings.start', wish);
  if (!begun.ok) {
    refuse(path, begun.error);
    return;
  }
  // What is over at once may be so before the first event of it.
  if (past.kind !== 'none' && begun.value.state === 'ended') tellEnd(begun.value);
}

export async function stopRecording({ id, path }: Recording): Promise<void> {
  const stopped = await bridge.invoke('recordings.stop', { recording: id });
  if (!stopped.ok) refuse(path, stopped.error);
}

function refuse(subject: string, error: ErrorValue): void {
  showFileProblem(subject, error);
}
