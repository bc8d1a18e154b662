/** What one can do with disks. Failures are shown where they happened, never thrown. */
import type { Disk } from '../../app/contract/disk';
import { toErrorValue, type Answer, type ErrorValue } from '../../app/contract/errors';
import type { DiskId } from '../../app/contract/units';
import type { WindowChannel, WindowParams, WindowResult } from '../../app/contract/window-api';
import { bridge } from '../shell/bridge';
import { showToast } from '../widgets/toast';
import { type Attachment, selectDisk, useDisks } from './disk-state';

/** Like bridge.invoke, but what it throws (a bug) is an answer too. */
export async function ask<Channel extends WindowChannel>(
  channel: Channel,
  params: WindowParams<Channel>,
): Promise<Answer<WindowResult<Channel>>> {
  try {
    return await bridge.invoke(channel, params);
  } catch (thrown) {
    return { ok: false, error: toErrorValue(thrown) };
  }
}

let nextAttachment = 1;

function changeAttachments(
  change: (attachments: readonly Attachment[]) => readonly Attachment[],
): void {
  useDisks.setState(({ attachments }) => ({ attachments: change(attachments) }));
}

/** Puts an error that has no form of its own (the command line's, the drop's) into the list. */
export function showProblem(path: string, error: ErrorValue): void {
  const problem = { id: nextAttachment++, path, readOnly: false, error };
  changeAttachments((attachments) => [...attachments, problem]);
}

/** Puts what is wrong with a file that is no image into the list: there is nothing to attach. */
export function showFileProblem(path: string, error: ErrorValue): void {
  const problem = { id: nextAttachment++, path, readOnly: false, error, isImage: false };
  changeAttachments((attachments) => [...attachments, problem]);
}

export function dismissAttachment(id: number): void {
  changeAttachments((attachments) => attachments.filter((one) => one.id !== id));
}

/** Attaches an image; a former failure with the same path gives way. */
export async function attach(path: string, readOnly: boolean): Promise<void> {
  const attachment: Attachment = { id: nextAttachment++, path, readOnly, error: null };
  changeAttachments((attachments) => [
    ...attachments.filter((one) => one.path !== path || one.error === null),
    attachment,
  ]);
  const route = useDisks.getState().attachRoute;
  const answer = await ask('disks.attach', { path, readOnly, route });
  if (answer.ok) {
    dismissAttachment(attachment.id);
    selectDisk(answer.value.id);
    return;
  }
  changeAttachments((attachments) =>
    attachments.map((one) => (one.id === attachment.id ? { ...one, error: answer.error } : one)),
  );
}

export function attachAll(paths: readonly string[]): void {
  const { attachReadOnly } = useDisks.getState();
  for (const path of paths) void attach(path, attachReadOnly);
}

/** The native file picker. */
export async function chooseImages(): Promise<void> {
  const answer = await ask('images.choose', {});
  if (answer.ok) attachAll(answer.value.paths);
  else showToast(answer.error.message, true);
}

function setRefusal(id: DiskId, error: ErrorValue | null): void {
  useDisks.setState(({ refusals }) => {
    const others = Object.entries(refusals).filter(([other]) => other !== id);
    return { refusals: Object.fromEntries(error ? [...others, [id, error]] : others) };
  });
}

export const dismissRefusal = (id: DiskId): void => setRefusal(id, null);

/** With `deferred` a disk in use goes with its last user. */
export async function detach(id: DiskId, deferred = false): Promise<void> {
  if (useDisks.getState().detaching.includes(id)) return;
  useDisks.setState(({ detaching }) => ({ detaching: [...detaching, id] }));
  const name = useDisks.getState().disks.find((disk) => disk.id === id)?.name ?? id;
  const answer = await ask('disks.detach', { disk: id, deferred });
  useDisks.setState(({ detaching }) => ({ detaching: detaching.filter((one) => one !== id) }));
  setRefusal(id, answer.ok ? null : answer.error);
  if (answer.ok) showToast(deferred ? `${name} goes with its last user` : `Detached ${name}`);
}

export async function dismissDisk(id: DiskId): Promise<void> {
  const answer = await ask('disks.dismiss', { disk: id });
  setRefusal(id, answer.ok ? null : answer.error);
}

/** Fails what waits on a disk that nobody serves. */
export async function abortDisk(disk: Disk): Promise<void> {
  const answer = await ask('disks.abort', { disk: disk.id });
  setRefusal(disk.id, answer.ok ? null : answer.error);
  if (answer.ok) showToast(`What waited on ${disk.name} has failed`);
}

/** Gives the device the size that its image has now. */
export async function resizeDisk(disk: Disk): Promise<void> {
  const answer = await ask('disks.resize', { disk: disk.id });
  if (answer.ok) showToast(`${disk.name} has ${answer.value.size} bytes`);
  else showToast(answer.error.message, true);
}

/**
 * Attaches the image of a failed disk again, in its place. Where requests wait for
 * that, nothing is dismissed: the daemon goes on with them.
 */
export async function attachAgain(disk: Disk): Promise<void> {
  if (disk.hanging === true) {
    await attach(disk.imagePath, disk.readOnly);
    return;
  }
  const answer = await ask('disks.dismiss', { disk: disk.id });
  if (answer.ok) await attach(disk.imagePath, disk.readOnly);
  else setRefusal(disk.id, answer.error);
}

export async function startDaemon(): Promise<void> {
  const answer = await ask('daemon.start', {});
  if (!answer.ok) showToast(answer.error.message, true);
}
