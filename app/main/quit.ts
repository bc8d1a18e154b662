/**
 * Quitting. With disks attached the user is asked: detach them, leave them to
 * the daemon, or stay. A disk that is busy keeps the window open and is named.
 */
import { dialog, type BrowserWindow, type MessageBoxOptions } from 'electron';
import type { Disk } from '../contract/disk';
import { toErrorValue } from '../contract/errors';
import type { DaemonSupervisor } from './daemon-supervisor';

export const quitButtons = ['Detach all and quit', 'Keep running in the background', 'Cancel'];

const describe = ({ name, device, fuseFile }: Disk) => `${name} (${device ?? fuseFile ?? 'busy'})`;

async function ask(window: BrowserWindow | null, options: MessageBoxOptions): Promise<number> {
  const shown = window && !window.isDestroyed() ? window : null;
  const { response } = await (shown
    ? dialog.showMessageBox(shown, options)
    : dialog.showMessageBox(options));
  return response;
}

/** Detaches each disk; what each one that stayed says. */
async function detachAll(supervisor: DaemonSupervisor, disks: readonly Disk[]): Promise<string[]> {
  const problems: string[] = [];
  for (const disk of disks) {
    try {
      await supervisor.invoke('disks.detach', { disk: disk.id });
    } catch (thrown) {
      const { code, message } = toErrorValue(thrown);
      if (code !== 'DISK_UNKNOWN') problems.push(message);
    }
  }
  return problems;
}

/** True when the application may end now. Asks, and detaches if told to. */
export async function mayQuit(
  supervisor: DaemonSupervisor,
  window: BrowserWindow | null,
): Promise<boolean> {
  const disks = supervisor.servedDisks;
  if (disks.length > 0) {
    const response = await ask(window, {
      type: 'question',
      message: disks.length === 1 ? 'A disk is attached.' : `${disks.length} disks are attached.`,
      detail:
        `${disks.map(describe).join('\n')}\n\n` +
        'Kept running, they stay usable and traced without the window; open Bioscope again to see them.',
      buttons: quitButtons,
      defaultId: 0,
      cancelId: 2,
      noLink: true,
    });
    if (response === 1) return true;
    if (response !== 0) return false;
    const problems = await detachAll(supervisor, disks);
    if (problems.length > 0) {
      await ask(window, {
        type: 'warning',
        message:
          problems.length === 1
            ? 'A disk could not be detached.'
            : `${problems.length} disks could not be detached.`,
        detail: `${problems.join('\n\n')}\n\nBioscope stays open.`,
        buttons: ['Close'],
      });
      return false;
    }
  }
  // The daemon ends by itself a few seconds after its last disk and client.
  return true;
}
