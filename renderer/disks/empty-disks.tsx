/** The window before the first disk: what to do, and what each route needs. */
import { CommandLine } from '../widgets/copy';
import { chooseImages } from './disk-actions';
import { useDisks } from './disk-state';

export function EmptyDisks() {
  const daemon = useDisks((state) => state.daemon);
  const routes = daemon.phase === 'running' ? daemon.info.routes : [];
  return (
    <div className="empty-disks" data-testid="empty-disks">
      <div className="empty-drop">
        <h1>Drop a disk image here</h1>
        <p>
          It becomes a block device, and every request the kernel sends to it appears in this
          window. Any regular file or block device will do: <code>.img</code> <code>.raw</code>{' '}
          <code>.iso</code> <code>.bin</code>. Nothing is mounted by itself.
        </p>
        <p>
          <button type="button" className="button primary" onClick={() => void chooseImages()}>
            Choose an image…
          </button>{' '}
          <kbd>Ctrl O</kbd>
        </p>
      </div>
      <section>
        <h2>Or from a terminal</h2>
        <CommandLine command="bioscope attach disk.img" />
        <p className="dim">The same daemon, the same disks: they show up here.</p>
      </section>
      {routes.length > 0 && (
        <section>
          <h2>How requests reach Bioscope on this machine</h2>
          <dl className="routes">
            {routes.map((route) => (
              <div key={route.name} className={route.available ? 'route' : 'route missing'}>
                <dt>
                  {route.name}
                  <span className="badge">{route.available ? 'available' : 'not available'}</span>
                </dt>
                <dd>{route.explanation}</dd>
              </div>
            ))}
          </dl>
        </section>
      )}
    </div>
  );
}
