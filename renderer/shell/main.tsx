/** Where the page begins: subscribes to the main process, opens the trace, draws the window. */
import '@fontsource-variable/inter/index.css';
import '@fontsource/ibm-plex-mono/latin-400.css';
import '@fontsource/ibm-plex-mono/latin-600.css';
import '../widgets/tokens.css';
import '../widgets/widgets.css';
import './shell.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { toErrorValue } from '../../app/contract/errors';
import { takeExports } from '../captures/capture-actions';
import { showProblem } from '../disks/disk-actions';
import { takeState, takeStatistics } from '../disks/disk-state';
import { takeRecordings } from '../captures/recording-state';
import { openTrace } from '../trace/trace-client';
import { showToast } from '../widgets/toast';
import { App } from './app';
import { bridge } from './bridge';
import { runCommand } from './commands';

bridge.on('state', takeState);
bridge.on('statistics', takeStatistics);
bridge.on('recordings', takeRecordings);
bridge.on('exports', takeExports);
bridge.on('problem', ({ subject, error }) => showProblem(subject, error));
bridge.on('menu', runCommand);

window.addEventListener('error', ({ message }) => {
  showToast(`A bug in this window: ${message}`, true);
});
window.addEventListener('unhandledrejection', ({ reason }: PromiseRejectionEvent) => {
  showToast(`A bug in this window: ${toErrorValue(reason).message}`, true);
});

async function begin(): Promise<void> {
  const state = await bridge.invoke('state.get', {});
  if (!state.ok) throw new Error(state.error.message);
  takeState(state.value);
  await openTrace();
  const recordings = await bridge.invoke('recordings.list', {});
  // Without a daemon there are none, and the state says so.
  if (recordings.ok) takeRecordings(recordings.value);
}

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no element "root"');
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
void begin();
