/** The daemon's Unix socket: who is connected, and telling those that watch. */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { BioscopeError, toErrorValue } from '../../contract/errors';
import type { DaemonEventData } from '../../contract/daemon-api';
import type { Log } from '../log';
import { Connection, type Handlers } from './connection';

/** More than any honest use; a runaway program must not eat every file descriptor. */
const MOST_CONNECTIONS = 256;

export class DaemonServer {
  private readonly connections = new Set<Connection>();
  private readonly server: Server;
  /** Called whenever a client comes or goes. */
  onConnections: () => void = () => undefined;

  constructor(handlers: Handlers, log: Log) {
    this.server = createServer((socket) => {
      const connection = new Connection(socket, handlers, log);
      this.connections.add(connection);
      socket.on('close', () => {
        this.connections.delete(connection);
        this.onConnections();
      });
      this.onConnections();
    });
    this.server.maxConnections = MOST_CONNECTIONS;
  }

  /**
   * Listens on `path`, which only this user may open. A socket that is there
   * already belonged to a daemon that died: the caller holds the daemon's lock.
   */
  async listen(path: string): Promise<void> {
    rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', (error) => {
        const { errno } = toErrorValue(error);
        reject(
          new BioscopeError(
            'RUNTIME_DIRECTORY',
            `The daemon cannot listen on ${path} (${errno ?? error.message}). Set BIOSCOPE_RUNTIME_DIRECTORY to a directory of your own.`,
            { errno, cause: error },
          ),
        );
      });
      // The process's umask makes it 0600 from the start; chmod for one that was set otherwise.
      this.server.listen(path, resolve);
    });
    chmodSync(path, 0o600);
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  get watched(): boolean {
    return [...this.connections].some(({ watching }) => watching);
  }

  announceDisks(data: () => DaemonEventData<'disks'>): void {
    for (const connection of this.connections) connection.announceDisks(data);
  }

  announceRecordings(data: () => DaemonEventData<'recordings'>): void {
    for (const connection of this.connections) connection.announceRecordings(data);
  }

  announceStatistics(data: () => DaemonEventData<'statistics'>): void {
    for (const connection of this.connections) connection.announceStatistics(data);
  }

  /** Takes no more clients, and the socket's path is free for another daemon. */
  leave(): void {
    this.server.close();
  }

  /** Takes no more clients and lets those that are there go, once they have their answers. */
  close(): void {
    this.server.close();
    for (const connection of this.connections) connection.end();
  }
}
