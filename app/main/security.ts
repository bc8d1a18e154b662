/** What no page may do, whatever it holds: navigate away, open windows, get permissions. */
import { app, session } from 'electron';
import { origin } from './application-files';

/** Call when the app is ready, before the first window. */
export function lockDown(): void {
  session.defaultSession.setPermissionRequestHandler((_contents, _permission, done) => done(false));
  session.defaultSession.setPermissionCheckHandler(() => false);
  session.defaultSession.setDevicePermissionHandler(() => false);
  app.on('web-contents-created', (_event, contents) => {
    contents.on('will-navigate', (event, address) => {
      // A reload of our own page is no navigation away.
      if (!address.startsWith(`${origin}/`)) event.preventDefault();
    });
    contents.on('will-redirect', (event) => event.preventDefault());
    contents.on('will-attach-webview', (event) => event.preventDefault());
    contents.setWindowOpenHandler(() => ({ action: 'deny' }));
  });
}
