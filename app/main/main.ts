/**
 * The application: one window for each user and runtime directory. It starts
 * and watches the daemon, and owns nothing on the data path: when it is killed,
 * every disk goes on.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { app, clipboard, type BrowserWindow, type IpcMainInvokeEvent } from 'electron';
import { looksLikeCapture } from '../capture/looks-like-capture';
import type { DaemonParams } from '../contract/daemon-api';
import type { Disk } from '../contract/disk';
import { toErrorValue } from '../contract/errors';
import type { DiskId } from '../contract/units';
import type { WindowEvent, WindowEvents, WindowState } from '../contract/window-api';
import { abortTarget } from '../privileged/own-targets';
import { origin } from './application-files';
import { registerScheme, serveApplication } from './application-protocol';
import { Captures, noImage } from './captures';
import { parseWishes, receivedWishes, type Wishes } from './command-line';
import { DaemonSupervisor } from './daemon-supervisor';
import { Exports } from './exports';
import { FeedHost } from './feed-host';
import { chooseFiles, placeFile } from './file-dialogs';
import { bundles, userDataDirectory } from './locations';
import { installMenu } from './menu';
import { PlacedFiles } from './placed-files';
import { mayQuit } from './quit';
import { lockDown } from './security';
import { openWindow } from './window';
import { announce, serveWindow, type WindowHandlers } from './window-ipc';

const supervisor = new DaemonSupervisor({
  daemonScript: bundles.daemon,
  program: app.isPackaged ? undefined : process.env['BIOSCOPE_NODE'],
  abortTarget,
});
const feed = new FeedHost(bundles.feed, ({ subject, error, isUnreadable }) => {
  tellProblem({ subject, error });
  if (isUnreadable) captures.closeFile(subject);
});
const captures = new Captures(() => tellState());
const captureExports = new Exports(bundles.exporter, (standings) => tell('exports', standings));
const placed = new PlacedFiles();
/** How long exports may take to end on a signal. */
const EXPORTS_END_MS = 2000;
let window: BrowserWindow | null = null;
/** Problems that came up before the page could be told. */
let untold: WindowEvents['problem'][] = [];
let isPageListening = false;
let isQuitting = false;
let isAsking = false;

function tell<Event extends WindowEvent>(event: Event, data: WindowEvents[Event]): void {
  if (window && !window.isDestroyed()) announce(window.webContents, event, data);
}

function tellProblem(problem: WindowEvents['problem']): void {
  if (isPageListening) tell('problem', problem);
  else untold.push(problem);
}

/** The daemon's disks, and the captures that are open here. */
function windowState(): WindowState {
  const { daemon, disks } = supervisor.state;
  return { daemon, disks: [...disks, ...captures.disks] };
}

function tellState(): void {
  const state = windowState();
  feed.follow(state.disks);
  tell('state', state);
}

/** Makes an image a disk; what turns out to be a capture is opened instead. */
async function attach(params: DaemonParams<'disks.attach'>): Promise<Disk> {
  if (await looksLikeCapture(params.path)) return captures.open(params.path);
  return supervisor.invoke('disks.attach', params);
}

async function attachAll({ images, readOnly }: Wishes): Promise<void> {
  for (const path of images) {
    try {
      await attach({ path, readOnly, route: 'auto' });
    } catch (thrown) {
      tellProblem({ subject: path, error: toErrorValue(thrown) });
    }
  }
}

/** Closes an open capture, and calls its export off; false when there is none of that name. */
function closeCapture(id: DiskId): boolean {
  captureExports.stop(id);
  return captures.close(id);
}

const handlers: WindowHandlers = {
  'disks.attach': attach,
  'disks.detach': (params) =>
    closeCapture(params.disk) ? {} : supervisor.invoke('disks.detach', params),
  'disks.dismiss': (params) => (closeCapture(params.disk) ? {} : supervisor.dismiss(params.disk)),
  'disks.abort': ({ disk }) => supervisor.abort(disk),
  'disks.resize': (params) => supervisor.invoke('disks.resize', params),
  'machine.probe': (params) => supervisor.invoke('machine.probe', params),
  'payload.read': (params) =>
    captures.has(params.disk)
      ? captures.readPayload(params)
      : supervisor.invoke('payload.read', params),
  'image.read': (params) => {
    if (captures.has(params.disk)) throw noImage();
    return supervisor.invoke('image.read', params);
  },
  'captures.choose': async () => ({ paths: await chooseFiles(window, 'captures') }),
  'captures.open': ({ path }) => captures.open(path),
  'captures.place': async ({ name, purpose }) => {
    const path = await placeFile(window, name, purpose);
    if (path !== null) placed.add(path);
    return { path };
  },
  'captures.export': (params) => {
    const mayReplace = placed.take(params.path);
    return captureExports.start(captures.pathOf(params.disk), { ...params, mayReplace });
  },
  'captures.stop-export': ({ disk }) => {
    captureExports.stop(disk);
    return {};
  },
  'recordings.start': (params) => {
    const overwrite = params.overwrite && placed.take(params.path);
    return supervisor.invoke('recordings.start', { ...params, overwrite });
  },
  'recordings.stop': (params) => supervisor.invoke('recordings.stop', params),
  'recordings.list': (params) => supervisor.invoke('recordings.list', params),
  'images.choose': async () => ({ paths: await chooseFiles(window, 'images') }),
  'daemon.start': () => supervisor.start(),
  'clipboard.write': ({ text }) => {
    clipboard.writeText(text);
    return {};
  },
  'trace.open': (_params, sender) => {
    feed.open(sender);
    return {};
  },
  'state.get': () => {
    isPageListening = true;
    const problems = untold;
    untold = [];
    // After the answer: the page draws the state first.
    setImmediate(() => problems.forEach((problem) => tell('problem', problem)));
    return windowState();
  },
};

/** Only the top frame of our own page, at our own address, may call. */
function isOurs({ sender, senderFrame }: IpcMainInvokeEvent): boolean {
  return (
    window !== null &&
    !window.isDestroyed() &&
    sender === window.webContents &&
    senderFrame === sender.mainFrame &&
    senderFrame.url.startsWith(`${origin}/`)
  );
}

/** Ends the application if the user agrees; a question already on the screen is enough. */
async function quit(): Promise<void> {
  if (isAsking || isQuitting) return;
  isAsking = true;
  try {
    if (await mayQuit(supervisor, window)) {
      isQuitting = true;
      await captureExports.end();
      feed.close();
      app.quit();
    }
  } finally {
    isAsking = false;
  }
}

/**
 * A signal leaves no time for a question: the window ends, the disks stay with
 * the daemon. Ctrl-C in the terminal asks first; the second time it does not.
 */
function endOnSignals(): void {
  const endNow = (signal: string) => {
    const { length } = supervisor.servedDisks;
    if (length > 0) console.error(`bioscope: ${signal}: ${length} attached, kept by the daemon`);
    isQuitting = true;
    feed.close();
    // What is half written goes. A disk that does not answer must not keep us.
    const called = captureExports.end();
    void Promise.race([called, sleep(EXPORTS_END_MS)]).finally(() => app.quit());
  };
  process.on('SIGTERM', endNow);
  process.on('SIGHUP', endNow);
  let hasAsked = false;
  process.on('SIGINT', (signal) => {
    if (hasAsked) endNow(signal);
    else void quit();
    hasAsked = true;
  });
}

function showWindow(): void {
  if (window) {
    if (window.isMinimized()) window.restore();
    window.show();
    window.focus();
    return;
  }
  window = openWindow({
    preload: bundles.preload,
    icon: bundles.icon,
    memory: app.getPath('userData'),
    mayClose: () => {
      if (!isQuitting) void quit();
      return isQuitting;
    },
  });
  window.on('closed', () => (window = null));
  window.webContents.on('did-start-loading', () => (isPageListening = false));
}

async function begin(wishes: Wishes): Promise<void> {
  await app.whenReady();
  serveApplication(bundles.renderer);
  lockDown();
  installMenu({
    window: () => window,
    send: (command) => tell('menu', command),
    quit: () => void quit(),
  });
  supervisor.on('state', tellState);
  supervisor.on('recordings', (recordings) => tell('recordings', recordings));
  supervisor.on('statistics', (statistics) => tell('statistics', statistics));
  serveWindow(handlers, isOurs);
  endOnSignals();
  showWindow();
  try {
    await supervisor.start();
  } catch {
    // The state says why, and the window shows it.
  }
  await attachAll(wishes);
}

app.setName('bioscope');
app.setPath('userData', userDataDirectory());
const wishes = parseWishes(process.argv, process.cwd(), process.defaultApp);
if (app.requestSingleInstanceLock({ ...wishes })) {
  app.on('second-instance', (_event, _argv, _directory, data) => {
    showWindow();
    void attachAll(receivedWishes(data));
  });
  app.on('before-quit', (event) => {
    if (isQuitting) return;
    event.preventDefault();
    void quit();
  });
  app.on('window-all-closed', () => app.quit());
  registerScheme();
  void begin(wishes);
} else {
  console.log('bioscope: a window is open already; it takes over.');
  app.quit();
}
