/**
 * The typed bridge, `window.bioscope`: a loop over the contract's tables and
 * nothing else. It runs sandboxed, in a world of its own beside the page.
 */
import * as electron from 'electron';
import {
  traceChannel,
  windowChannels,
  windowEvents,
  type WindowBridge,
  type WindowEvent,
  type WindowEvents,
} from '../contract/window-api';

const { contextBridge, ipcRenderer } = electron;
// Electron 25 has no webUtils; it gives a dropped File a path property instead.
const { webUtils } = electron as Partial<Pick<typeof electron, 'webUtils'>>;

const bridge: WindowBridge = {
  invoke(channel, params) {
    if (!Object.hasOwn(windowChannels, channel)) {
      return Promise.reject(new Error(`there is no channel ${channel}`));
    }
    return ipcRenderer.invoke(channel, params) as ReturnType<typeof bridge.invoke<typeof channel>>;
  },
  on<Event extends WindowEvent>(event: Event, listener: (data: WindowEvents[Event]) => void) {
    if (!windowEvents.includes(event)) throw new Error(`there is no event ${event}`);
    const receive = (_: unknown, data: WindowEvents[Event]) => listener(data);
    ipcRenderer.on(event, receive);
    return () => {
      ipcRenderer.off(event, receive);
    };
  },
  pathForFile(file) {
    if (webUtils) return webUtils.getPathForFile(file);
    return (file as File & { readonly path?: string }).path ?? '';
  },
  platform: { electron: process.versions.electron, kernel: process.getSystemVersion() },
};
contextBridge.exposeInMainWorld('bioscope', bridge);

// A port cannot pass the bridge; a message of the window can carry one.
ipcRenderer.on(traceChannel, (event) => {
  window.postMessage(traceChannel, window.location.origin, [...event.ports]);
});
