/**
 * The renderer with an outside that is made up: `?scene=` says what. For looking
 * at the window, and for tests of it without Electron; never shipped.
 */
import type { WindowEvents } from '../../../app/contract/window-api';
import { FakeBridge } from './fake-bridge';
import { sceneNamed } from './scenes';

declare global {
  interface Window {
    /** What tests use to play the main process. */
    harness: FakeBridge;
    violations: string[];
  }
}

window.violations = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
});

const parameters = new URLSearchParams(location.search);
const scene = sceneNamed(parameters.get('scene') ?? 'busy');
const bridge = new FakeBridge(scene);
window.harness = bridge;
Object.defineProperty(window, 'bioscope', { value: bridge });
export type { WindowEvents };
await import('../../../renderer/shell/main');
