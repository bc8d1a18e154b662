/** The main window: its bounds, its page, and what happens when the page dies. */
import { BrowserWindow, dialog, nativeTheme, screen } from 'electron';
import { join } from 'node:path';
import { windowAddress } from './application-files';
import { isReachable, recallWindow, rememberWindow } from './window-memory';

export interface WindowOptions {
  readonly preload: string;
  readonly icon: string;
  /** Directory where the window's place is kept. */
  readonly memory: string;
  /** Called when the user closes the window; true lets it close. */
  readonly mayClose: () => boolean;
}

const usual = { width: 1440, height: 900 };
const backgroundColor = () => (nativeTheme.shouldUseDarkColors ? '#14161a' : '#f3f4f6');

export function openWindow(options: WindowOptions): BrowserWindow {
  const memoryPath = join(options.memory, 'window.json');
  const memory = recallWindow(memoryPath);
  const screens = screen.getAllDisplays().map(({ workArea }) => workArea);
  const place = memory && isReachable(memory, screens) ? memory : null;
  const window = new BrowserWindow({
    ...(place ? { x: place.x, y: place.y } : {}),
    width: place?.width ?? usual.width,
    height: place?.height ?? usual.height,
    minWidth: 480,
    minHeight: 360,
    title: 'Bioscope',
    icon: options.icon,
    show: false,
    backgroundColor: backgroundColor(),
    webPreferences: {
      preload: options.preload,
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      webviewTag: false,
      spellcheck: false,
      // The view is live: a window behind another must not fall behind its trace.
      backgroundThrottling: false,
    },
  });
  if (place?.isMaximized) window.maximize();
  window.once('ready-to-show', () => window.show());
  const followTheme = () => window.setBackgroundColor(backgroundColor());
  nativeTheme.on('updated', followTheme);
  window.once('closed', () => nativeTheme.off('updated', followTheme));
  window.webContents.once('did-finish-load', () => {
    window.webContents.setZoomFactor(memory?.zoom ?? 1);
  });
  window.on('close', (event) => {
    rememberWindow(memoryPath, {
      ...window.getNormalBounds(),
      isMaximized: window.isMaximized(),
      zoom: Math.min(2, Math.max(0.8, window.webContents.getZoomFactor())),
    });
    if (!options.mayClose()) event.preventDefault();
  });
  offerReload(window);
  void window.loadURL(windowAddress);
  return window;
}

/** A page that died is offered anew; the disks are the daemon's and go on. */
function offerReload(window: BrowserWindow): void {
  window.webContents.on('render-process-gone', (_event, { reason }) => {
    if (reason === 'clean-exit' || window.isDestroyed()) return;
    void dialog
      .showMessageBox(window, {
        type: 'error',
        message: 'The window’s page ended unexpectedly.',
        detail: `Reason: ${reason}. Your disks are not affected: the daemon goes on serving and tracing them.`,
        buttons: ['Load the page again', 'Close the window'],
        defaultId: 0,
        cancelId: 1,
      })
      .then(({ response }) => {
        if (window.isDestroyed()) return;
        if (response === 0) window.webContents.reload();
        else window.close();
      });
  });
}
