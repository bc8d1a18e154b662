/** The native dialogs for files to open and files to make. */
import {
  dialog,
  type BrowserWindow,
  type FileFilter,
  type OpenDialogOptions,
  type SaveDialogOptions,
} from 'electron';

const captures: FileFilter = { name: 'Captures of Bioscope', extensions: ['bioscope'] };
const rawImages: FileFilter = {
  name: 'Raw disk images',
  extensions: ['img', 'raw', 'iso', 'bin', 'dd'],
};
const allFiles: FileFilter = { name: 'All files', extensions: ['*'] };

const toOpen = {
  images: {
    title: 'Attach images',
    buttonLabel: 'Attach',
    filters: [allFiles, rawImages, captures],
  },
  captures: { title: 'Open captures', buttonLabel: 'Open', filters: [captures, allFiles] },
} as const;

const toMake = {
  record: { title: 'Record into a capture', buttonLabel: 'Record', filters: [captures] },
  export: { title: 'Export the capture', buttonLabel: 'Export', filters: [allFiles] },
} as const;

/** The paths chosen, none if it was dismissed. */
export async function chooseFiles(
  window: BrowserWindow | null,
  what: keyof typeof toOpen,
): Promise<string[]> {
  const { title, buttonLabel, filters } = toOpen[what];
  const options: OpenDialogOptions = {
    title,
    buttonLabel,
    properties: ['openFile', 'multiSelections', 'showHiddenFiles'],
    filters: [...filters],
  };
  const { canceled, filePaths } = await (window
    ? dialog.showOpenDialog(window, options)
    : dialog.showOpenDialog(options));
  return canceled ? [] : filePaths;
}

/** Where a file named `name` is to be made; null if it was dismissed. What is there may be replaced: it asked. */
export async function placeFile(
  window: BrowserWindow | null,
  name: string,
  purpose: keyof typeof toMake,
): Promise<string | null> {
  const { title, buttonLabel, filters } = toMake[purpose];
  const options: SaveDialogOptions = {
    title,
    buttonLabel,
    defaultPath: name,
    filters: [...filters],
  };
  const { canceled, filePath } = await (window
    ? dialog.showSaveDialog(window, options)
    : dialog.showSaveDialog(options));
  return canceled || !filePath ? null : filePath;
}
