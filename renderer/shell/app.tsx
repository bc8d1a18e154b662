/** The window. */
import { Toast } from '../widgets/toast';
import { DaemonBanner } from './daemon-banner';
import { DropTarget } from './drop-target';
import { useKeys } from './commands';
import { Panes } from './panes';
import { StatusBar } from './status-bar';
import { ThisMachine } from './this-machine';
import { TopBar } from './top-bar';

export function App() {
  useKeys();
  return (
    <div className="window">
      <TopBar />
      <DaemonBanner />
      <Panes />
      <StatusBar />
      <DropTarget />
      <ThisMachine />
      <Toast />
    </div>
  );
}
