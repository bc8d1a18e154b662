/** The application menu. What concerns the page is sent to it as a command. */
import { Menu, app, dialog, type BrowserWindow, type MenuItemConstructorOptions } from 'electron';
import type { MenuCommand } from '../contract/window-api';
import { zoomStep } from './zoom';

export interface MenuOptions {
  /** The window the menu acts on; null when it is closed. */
  readonly window: () => BrowserWindow | null;
  readonly send: (command: MenuCommand) => void;
  readonly quit: () => void;
}

const shortcuts = `Ctrl+O	attach an image
Ctrl+Shift+O	open a capture
Ctrl+E	export the capture
/	filter, Enter back to the requests
↑ ↓ Page Up Page Down Home End	move in the requests
Enter	open the inspector
Escape	close it, clear the selection or the filter
Space	pause the view (never the I/O)
Ctrl+C	copy the request
Ctrl++ Ctrl+− Ctrl+0	zoom`;

function setZoom(window: BrowserWindow | null, next: (zoom: number) => number): void {
  if (!window) return;
  window.webContents.setZoomFactor(next(window.webContents.getZoomFactor()));
}

function showAbout(window: BrowserWindow | null): void {
  const about = {
    type: 'info' as const,
    message: `Bioscope ${app.getVersion()}`,
    detail:
      'Turns disk images into Linux block devices and shows every block I/O live.\n\n' +
      `Electron ${process.versions.electron}, Chromium ${process.versions.chrome}, Node.js ${process.versions.node}\n` +
      `Linux ${process.getSystemVersion()}\n\nApache License 2.0`,
    buttons: ['Close'],
  };
  void (window ? dialog.showMessageBox(window, about) : dialog.showMessageBox(about));
}

function showShortcuts(window: BrowserWindow | null): void {
  const box = {
    type: 'info' as const,
    message: 'Keyboard shortcuts',
    detail: shortcuts.replaceAll('\t', '  –  '),
    buttons: ['Close'],
  };
  void (window ? dialog.showMessageBox(window, box) : dialog.showMessageBox(box));
}

/** Sets the menu of the application. */
export function installMenu({ window, send, quit }: MenuOptions): void {
  const command = (
    label: string,
    name: MenuCommand,
    accelerator?: string,
  ): MenuItemConstructorOptions => ({
    id: name,
    label,
    click: () => send(name),
    ...(accelerator === undefined ? {} : { accelerator }),
  });
  const zoom = (
    label: string,
    accelerator: string,
    next: (zoom: number) => number,
    isVisible = true,
  ): MenuItemConstructorOptions => ({
    label,
    accelerator,
    visible: isVisible,
    acceleratorWorksWhenHidden: true,
    click: () => setZoom(window(), next),
  });
  const menu: MenuItemConstructorOptions[] = [
    {
      label: '&File',
      submenu: [
        command('&Attach image…', 'attach', 'CommandOrControl+O'),
        command('&Open capture…', 'open-capture', 'CommandOrControl+Shift+O'),
        command('&Export the capture…', 'export', 'CommandOrControl+E'),
        command('&Detach the selected disk', 'detach', 'CommandOrControl+D'),
        { type: 'separator' },
        { label: '&Quit', accelerator: 'CommandOrControl+Q', click: quit },
      ],
    },
    { role: 'editMenu' },
    {
      label: '&View',
      submenu: [
        command('&Pause or resume the view', 'pause', 'CommandOrControl+P'),
        command('&Clear the view', 'clear', 'CommandOrControl+L'),
        command('&Filter', 'focus-filter', 'CommandOrControl+F'),
        { type: 'separator' },
        command('Show or hide the &disks', 'toggle-disks', 'CommandOrControl+B'),
        command('Show or hide the &inspector', 'toggle-inspector', 'CommandOrControl+I'),
        { type: 'separator' },
        zoom('Zoom in', 'CommandOrControl+Plus', (now) => zoomStep(now, 1)),
        // Plus without Shift, as everybody types it.
        zoom('Zoom in', 'CommandOrControl+=', (now) => zoomStep(now, 1), false),
        zoom('Zoom out', 'CommandOrControl+-', (now) => zoomStep(now, -1)),
        zoom('Actual size', 'CommandOrControl+0', () => 1),
        { type: 'separator' },
        { role: 'togglefullscreen' },
        ...(app.isPackaged ? [] : [{ role: 'toggleDevTools' as const }]),
      ],
    },
    {
      label: '&Help',
      submenu: [
        { label: '&Keyboard shortcuts', click: () => showShortcuts(window()) },
        { label: '&About Bioscope', click: () => showAbout(window()) },
      ],
    },
  ];
  Menu.setApplicationMenu(Menu.buildFromTemplate(menu));
}
