/**
 * A connection to the daemon: typed calls, and events after `watch`. Used by the
 * main process and the command line. What the daemon sends is checked against
 * the contract; what does not fit is an error, never passed on.
 */
import { connect, type Socket } from 'node:net';
import { z } from 'zod';
import {
  DAEMON_PROTOCOL,
  LONGEST_LINE,
  daemonEvents,
  daemonMethods,
  responseLineSchema,
  type DaemonEvent,
  type DaemonEventData,
  type DaemonInfo,
  type DaemonMethod,
  type DaemonInput,
  type DaemonResult,
} from '../contract/daemon-api';
import { BioscopeError, toErrorValue } from '../contract/errors';
import { encodeJson } from '../contract/units';
import { LineReader } from './line-reader';

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

type Listeners = { [Event in DaemonEvent]: Set<(data: DaemonEventData<Event>) => void> };

/** Until a daemon that accepted a connection has answered; it may be looking at thousands of processes. */
const ANSWER_TIMEOUT_MS = 15_000;

/** Errnos of connect(2) that mean: nobody listens there. */
const nobodyListens = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTDIR']);

export class DaemonClient {
  /** Resolves when the connection has ended, whoever ended it. Never rejects. */
  readonly closed: Promise<void>;
  private readonly socket: Socket;
  private readonly waiting = new Map<number, Waiting>();
  private readonly listeners: Listeners = {
    disks: new Set(),
    statistics: new Set(),
    recordings: new Set(),
  };
  private nextId = 1;
  private failure: BioscopeError | null = null;

  private constructor(socket: Socket) {
    this.socket = socket;
    const lines = new LineReader(LONGEST_LINE);
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const line of lines.push(chunk)) this.receive(line);
      } catch (thrown) {
        this.fail(
          new BioscopeError(
            'PROTOCOL',
            `The daemon's answer cannot be read: ${toErrorValue(thrown).message}.`,
            { cause: thrown },
          ),
        );
      }
    });
    socket.on('error', (error) => {
      this.fail(
        new BioscopeError(
          'DAEMON_UNREACHABLE',
          `The connection to the daemon broke: ${error.message}.`,
          { errno: toErrorValue(error).errno, cause: error },
        ),
      );
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.fail(
          new BioscopeError(
            'DAEMON_UNREACHABLE',
            'The daemon closed the connection: it has ended.',
          ),
        );
        resolve();
      });
    });
  }

  /**
   * Connects; null when no daemon listens on `socketPath`. Throws
   * DAEMON_UNREACHABLE when one may be there but cannot be reached.
   */
  static connect(socketPath: string): Promise<DaemonClient | null> {
    return new Promise((resolve, reject) => {
      const socket = connect(socketPath);
      const refused = (error: NodeJS.ErrnoException) => {
        if (nobodyListens.has(error.code ?? '')) {
          resolve(null);
          return;
        }
        reject(
          new BioscopeError(
            'DAEMON_UNREACHABLE',
            `The daemon's socket ${socketPath} cannot be opened (${error.code ?? error.message}).`,
            { errno: error.code ?? null, cause: error },
          ),
        );
      };
      socket.once('error', refused);
      socket.once('connect', () => {
        socket.off('error', refused);
        resolve(new DaemonClient(socket));
      });
    });
  }

  /**
   * Asks who the daemon is, and refuses one that speaks another version. Call
   * this first on a fresh connection. A daemon that hangs is DAEMON_UNREACHABLE
   * with ETIMEDOUT after `patience` milliseconds.
   */
  async hello(patience = ANSWER_TIMEOUT_MS): Promise<DaemonInfo> {
    const late = setTimeout(() => {
      this.fail(
        new BioscopeError(
          'DAEMON_UNREACHABLE',
          `The daemon takes the call but does not answer (for ${patience / 1000} s). Try again; one that hangs for good must be killed (the process bioscope-daemon).`,
          { errno: 'ETIMEDOUT' },
        ),
      );
    }, patience);
    const raw = await this.call('hello', {}).finally(() => clearTimeout(late));
    const version = z.object({ protocol: z.number(), pid: z.number() }).safeParse(raw);
    if (version.success && version.data.protocol !== DAEMON_PROTOCOL) {
      throw new BioscopeError(
        'DAEMON_RUNNING',
        `The daemon that runs (process ${version.data.pid}) speaks version ${version.data.protocol} of the protocol, this program version ${DAEMON_PROTOCOL}. ` +
          'Detach its disks and stop it with the version of Bioscope that started it.',
      );
    }
    return this.parse('hello', raw);
  }

  /** Calls a method. Rejects with BioscopeError: the daemon's own, or DAEMON_UNREACHABLE. */
  async invoke<Method extends DaemonMethod>(
    method: Method,
    params: DaemonInput<Method>,
  ): Promise<DaemonResult<Method>> {
    return this.parse(method, await this.call(method, params));
  }

  /** Events come after `invoke('watch', {})`. Returns what ends the subscription. */
  on<Event extends DaemonEvent>(
    event: Event,
    listener: (data: DaemonEventData<Event>) => void,
  ): () => void {
    this.listeners[event].add(listener);
    return () => this.listeners[event].delete(listener);
  }

  close(): void {
    this.socket.destroy();
  }

  private call(method: DaemonMethod, params: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.failure) {
        reject(this.failure);
        return;
      }
      const id = this.nextId++;
      this.waiting.set(id, { resolve, reject });
      this.socket.write(`${encodeJson({ id, method, params })}\n`);
    });
  }

  private parse<Method extends DaemonMethod>(method: Method, raw: unknown): DaemonResult<Method> {
    const parsed = daemonMethods[method].result.safeParse(raw);
    if (!parsed.success) {
      throw new BioscopeError(
        'PROTOCOL',
        `The daemon's answer to ${method} does not fit the contract: ${z.prettifyError(parsed.error)}`,
      );
    }
    return parsed.data as DaemonResult<Method>;
  }

  private receive(line: string): void {
    const message = responseLineSchema.parse(JSON.parse(line));
    if ('event' in message) {
      this.announce(message.event, message.data);
      return;
    }
    if ('error' in message) {
      const error = BioscopeError.from(message.error);
      if (message.id === null) this.fail(error);
      else this.take(message.id)?.reject(error);
      return;
    }
    this.take(message.id)?.resolve(message.result);
  }

  private take(id: number): Waiting | undefined {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    return waiting;
  }

  private announce(event: string, data: unknown): void {
    if (event === 'disks') {
      const parsed = daemonEvents.disks.parse(data);
      for (const listener of this.listeners.disks) listener(parsed);
    } else if (event === 'statistics') {
      const parsed = daemonEvents.statistics.parse(data);
      for (const listener of this.listeners.statistics) listener(parsed);
    } else if (event === 'recordings') {
      const parsed = daemonEvents.recordings.parse(data);
      for (const listener of this.listeners.recordings) listener(parsed);
    }
  }

  /** Ends the connection; the first reason is the one every caller hears. */
  private fail(error: BioscopeError): void {
    this.failure ??= error;
    for (const { reject } of this.waiting.values()) reject(this.failure);
    this.waiting.clear();
    this.socket.destroy();
  }
}
