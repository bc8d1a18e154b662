/** What the open tab would save: set by the tab, used by the buttons beside the tabs. */
import { showToast } from '../widgets/toast';
import { toErrorValue } from '../../app/contract/errors';
import { currentColours } from './colours';
import type { Picture } from './picture';
import { type FileKind, savePicture } from './save';
import type { Size } from './surface';

type Save = (kind: FileKind) => Promise<void>;

let save: Save | null = null;

/** Offers `result` as what is saved, until the returned function is called. */
export function offerSaving<Result>(
  picture: Picture<Result>,
  result: () => { readonly result: Result; readonly size: Size } | null,
): () => void {
  const own: Save = async (kind) => {
    const now = result();
    if (!now) throw new Error('there is nothing to save yet');
    const { width, height } = now.size;
    const size = { width: Math.max(width, 480), height: Math.max(height, 160) };
    await savePicture(kind, fileName(), picture, now.result, size, currentColours());
  };
  save = own;
  return () => {
    if (save === own) save = null;
  };
}

let about = { disk: 'disk', tab: 'picture' };

/** Names the file: "rootfs-arm64.img map". */
export function nameSaving(disk: string, tab: string): void {
  about = { disk, tab };
}

const fileName = (): string => `${about.disk.replace(/[^\p{L}\p{N}._-]+/gu, '_')}-${about.tab}`;

/** Saves the open tab; what goes wrong is said in the window. */
export function saveOpenTab(kind: FileKind): void {
  save?.(kind).catch((thrown: unknown) => {
    showToast(`Could not save: ${toErrorValue(thrown).message}`, true);
  });
}
