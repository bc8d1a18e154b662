/** How commands reach the daemon. */
import { join } from 'node:path';
import type { DaemonClient } from '../client/daemon-client';
import { findRuntimeDirectory, hasLeftovers } from '../client/runtime-directory';
import { connectDaemon, replaceDaemon, startDaemon } from '../client/start-daemon';

/** The bundles lie side by side in dist/. */
const daemonScript = join(__dirname, 'daemon.cjs');

/** The daemon, started if none runs. */
export function reachDaemon(): Promise<DaemonClient> {
  return startDaemon({ daemonScript });
}

/** A new daemon in the place of the process `oldPid`. */
export function nextDaemon(oldPid: number): Promise<DaemonClient> {
  return replaceDaemon({ daemonScript }, oldPid);
}

/**
 * The daemon if one runs, or if one that died left disks behind: it is then
 * started to clear up and tell of them. Else null: there is nothing.
 */
export function findDaemon(): Promise<DaemonClient | null> {
  const paths = findRuntimeDirectory();
  if (hasLeftovers(paths)) return reachDaemon();
  return connectDaemon(paths);
}

/** The daemon only if one runs at this moment. */
export function runningDaemon(): Promise<DaemonClient | null> {
  return connectDaemon(findRuntimeDirectory());
}

/** Calls `work` with the client, which is closed afterwards. */
export async function withClient<Result>(
  client: DaemonClient,
  work: (client: DaemonClient) => Promise<Result>,
): Promise<Result> {
  try {
    return await work(client);
  } finally {
    client.close();
  }
}
