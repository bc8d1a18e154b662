/** Where things lie: the bundles beside this one, and what is kept for the user. */
import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { runtimeDirectoryPath } from '../client/runtime-directory';

export const bundles = {
  preload: join(__dirname, 'preload.cjs'),
  feed: join(__dirname, 'feed.cjs'),
  daemon: join(__dirname, 'daemon.cjs'),
  exporter: join(__dirname, 'exporter.cjs'),
  renderer: join(__dirname, 'renderer'),
  icon: join(__dirname, 'icon.png'),
} as const;

/**
 * The window's own directory under XDG_CONFIG_HOME. Electron keeps its lock for
 * a single instance in it, so it goes with the runtime directory: one window
 * for each daemon, and tests with directories of their own run side by side.
 */
export function userDataDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const configured = environment['XDG_CONFIG_HOME'];
  const base =
    configured !== undefined && isAbsolute(configured) ? configured : join(homedir(), '.config');
  const runtime = runtimeDirectoryPath(environment);
  const usual = runtimeDirectoryPath({ ...environment, BIOSCOPE_RUNTIME_DIRECTORY: '' });
  if (runtime === usual) return join(base, 'bioscope');
  const name = createHash('sha256').update(runtime).digest('hex').slice(0, 12);
  return join(base, 'bioscope', `runtime-${name}`);
}
