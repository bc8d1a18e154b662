/** `window.bioscope`, which the preload puts there. */
import type { WindowBridge } from '../../app/contract/window-api';

declare global {
  interface Window {
    readonly bioscope: WindowBridge;
  }
}

export const bridge: WindowBridge = window.bioscope;
