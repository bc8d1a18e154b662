/** Opening captures, and exporting them; what goes on of that. */
import { create } from 'zustand';
import { exportFormats, type ExportFormat, type ExportStanding } from '../../app/contract/capture';
import type { Disk } from '../../app/contract/disk';
import type { DiskId } from '../../app/contract/units';
import type { WindowEvents } from '../../app/contract/window-api';
import { ask, showFileProblem } from '../disks/disk-actions';
import { selectDisk, useDisks } from '../disks/disk-state';
import { showToast } from '../widgets/toast';

interface ExportsState {
  readonly exports: readonly ExportStanding[];
  /** The choice of formats is open. */
  readonly isChoosing: boolean;
}

export const useExports = create<ExportsState>(() => ({ exports: [], isChoosing: false }));

export function takeExports(exports: WindowEvents['exports']): void {
  useExports.setState({ exports });
}

export function useExportOf(disk: DiskId): ExportStanding | null {
  return useExports(({ exports }) => exports.find((one) => one.disk === disk) ?? null);
}

/** The native file picker, for captures. */
export async function openCaptures(): Promise<void> {
  const chosen = await ask('captures.choose', {});
  if (!chosen.ok) {
    showToast(chosen.error.message, true);
    return;
  }
  for (const path of chosen.value.paths) {
    const opened = await ask('captures.open', { path });
    if (opened.ok) selectDisk(opened.value.id);
    else showFileProblem(path, opened.error);
  }
}

/** From the menu: opens the choice of formats for the selected capture. */
export function chooseExport(): void {
  const { disks, selected } = useDisks.getState();
  const disk = disks.find(({ id }) => id === selected);
  if (disk?.capture && useExports.getState().exports.some((one) => one.disk === disk.id)) {
    // The choice would open by itself when that ends.
    showToast(`${disk.name} is being exported. Wait for that, or stop it`, true);
  } else if (disk?.capture) useExports.setState({ isChoosing: true });
  else showToast('Only captures are exported: record the disk, and open what was recorded', true);
}

/** "boot.bioscope" as what another program calls it. */
function nameFor(disk: Disk, format: ExportFormat): string {
  const name = (disk.capture?.path ?? disk.name).split('/').at(-1) ?? disk.name;
  const { ending } = exportFormats[format];
  return name.replace(/\.bioscope$/, '') + (ending === '' ? `.${format}` : ending);
}

/** Asks where, then exports. */
export async function exportCapture(disk: Disk, format: ExportFormat): Promise<void> {
  const name = nameFor(disk, format);
  const placed = await ask('captures.place', { name, purpose: 'export' });
  if (!placed.ok) {
    showFileProblem(name, placed.error);
    return;
  }
  const { path } = placed.value;
  if (path === null) return;
  const made = await ask('captures.export', { disk: disk.id, format, path });
  if (!made.ok) showFileProblem(path, made.error);
  else if (made.value.path === null) showToast(`Called off: nothing is left of ${path}`);
  else showToast([`Exported to ${made.value.path}`, ...made.value.remarks].join('. '));
}

export async function stopExport(disk: DiskId): Promise<void> {
  const stopped = await ask('captures.stop-export', { disk });
  if (!stopped.ok) showToast(stopped.error.message, true);
}
