/**
 * One client on the socket. Whatever it sends, the daemon lives on: what can be
 * answered is answered with an error, and a stream that cannot be trusted any
 * more is closed. A client that does not read what it is sent never makes this
 * process grow without bound.
 */
import type { Socket } from 'node:net';
import { z } from 'zod';
import {
  LONGEST_LINE,
  daemonMethods,
  requestLineSchema,
  type DaemonEvent,
  type DaemonEventData,
  type DaemonMethod,
  type DaemonParams,
  type DaemonResult,
} from '../../contract/daemon-api';
import { BioscopeError, toErrorValue } from '../../contract/errors';
import { encodeJson } from '../../contract/units';
import { LineReader } from '../../client/line-reader';
import type { Log } from '../log';

/** Bytes waiting to be read by the client past which statistics are left out, its requests are not read, and it is cut off. */
const SKIP_STATISTICS = 256 * 1024;
const STOP_READING = 4 * 1024 * 1024;
const CUT_OFF = 32 * 1024 * 1024;
/** Requests of one client carried out at once; more wait in the socket. */
const MOST_IN_PROGRESS = 8;

export type Handlers = {
  readonly [Method in DaemonMethod]: (
    params: DaemonParams<Method>,
    connection: Connection,
  ) => DaemonResult<Method> | Promise<DaemonResult<Method>>;
};

function isMethod(name: string): name is DaemonMethod {
  return Object.hasOwn(daemonMethods, name);
}

export class Connection {
  /** True once the client asked for events. */
  watching = false;
  private readonly socket: Socket;
  private readonly handlers: Handlers;
  private readonly log: Log;
  private readonly lines = new LineReader(LONGEST_LINE);
  /** Lines read that wait for their turn: of one piece of the stream at most. */
  private waiting: string[] = [];
  private inProgress = 0;
  /** A `disks` event that waits for the client to read; only the newest matters. */
  private owedDisks: (() => DaemonEventData<'disks'>) | null = null;
  private owedRecordings: (() => DaemonEventData<'recordings'>) | null = null;

  constructor(socket: Socket, handlers: Handlers, log: Log) {
    this.socket = socket;
    this.handlers = handlers;
    this.log = log;
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('drain', () => this.drained());
    // A client that vanished: 'close' follows, and that is all there is to do.
    socket.on('error', () => undefined);
  }

  /** Sends the event to a client that watches and reads what it is sent. */
  announceStatistics(data: () => DaemonEventData<'statistics'>): void {
    if (!this.watching || this.socket.writableLength > SKIP_STATISTICS) return;
    this.event('statistics', data());
  }

  /** Sends the list, at once or as soon as the client has read what it was sent before. */
  announceDisks(data: () => DaemonEventData<'disks'>): void {
    if (!this.watching) return;
    if (this.socket.writableLength > SKIP_STATISTICS) this.owedDisks = data;
    else this.event('disks', data());
  }

  /** Sends how the recordings stand, to a client that watches and reads what it is sent. */
  announceRecordings(data: () => DaemonEventData<'recordings'>): void {
    if (!this.watching) return;
    if (this.socket.writableLength > SKIP_STATISTICS) this.owedRecordings = data;
    else this.event('recordings', data());
  }

  /** Calls `listener` when the connection has ended. */
  onClose(listener: () => void): void {
    if (this.socket.destroyed) listener();
    else this.socket.once('close', listener);
  }

  /** Ends the connection once what was answered has been sent. */
  end(): void {
    this.socket.end();
  }

  private receive(chunk: Buffer): void {
    try {
      for (const line of this.lines.push(chunk)) this.waiting.push(line);
    } catch (thrown) {
      this.waiting = [];
      const reason = toErrorValue(thrown).message;
      this.refuse(null, `The connection is closed: ${reason}.`);
      this.log(`closed a connection: ${reason}`);
      this.socket.destroySoon();
    }
    this.regulate();
  }

  private take(line: string): void {
    if (this.socket.destroyed || line === '') return;
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch (thrown) {
      this.refuse(null, `A request is not JSON: ${toErrorValue(thrown).message}.`);
      return;
    }
    const request = requestLineSchema.safeParse(message);
    if (!request.success) {
      const id = z.object({ id: requestLineSchema.shape.id }).safeParse(message);
      this.refuse(
        id.success ? id.data.id : null,
        `A request must be {"id", "method", "params"}: ${oneLine(request.error)}.`,
      );
      return;
    }
    const { id, method, params } = request.data;
    if (!isMethod(method)) {
      this.refuse(id, `There is no method "${method.slice(0, 100)}".`);
      return;
    }
    this.inProgress++;
    void this.carryOut(id, method, params, this.handlers[method]).finally(() => {
      this.inProgress--;
      this.regulate();
    });
  }

  private async carryOut<Method extends DaemonMethod>(
    id: number,
    method: Method,
    raw: unknown,
    handler: Handlers[Method],
  ): Promise<void> {
    const params = daemonMethods[method].params.safeParse(raw);
    if (!params.success) {
      this.refuse(id, `The params of ${method} do not fit: ${oneLine(params.error)}.`);
      return;
    }
    try {
      const result = await handler(params.data as DaemonParams<Method>, this);
      this.send({ id, result });
    } catch (thrown) {
      if (!(thrown instanceof BioscopeError)) {
        // Nobody foresaw it: the log gets what the client cannot use.
        this.log(`${method}: ${thrown instanceof Error ? (thrown.stack ?? '') : String(thrown)}`);
      }
      this.send({ id, error: toErrorValue(thrown) });
    }
  }

  private refuse(id: number | null, message: string): void {
    this.send({ id, error: new BioscopeError('PROTOCOL', message).value });
  }

  private event<Event extends DaemonEvent>(event: Event, data: DaemonEventData<Event>): void {
    this.send({ event, data });
  }

  private send(message: unknown): void {
    if (this.socket.destroyed || !this.socket.writable) return;
    this.socket.write(`${encodeJson(message)}\n`);
    if (this.socket.writableLength > CUT_OFF) {
      this.log('cut off a client that does not read');
      this.socket.destroy();
    }
  }

  private get busy(): boolean {
    return this.inProgress >= MOST_IN_PROGRESS || this.socket.writableLength > STOP_READING;
  }

  /** Takes on more, and reads on, only while the client keeps up with its answers. */
  private regulate(): void {
    while (!this.busy) {
      const line = this.waiting.shift();
      if (line === undefined) break;
      this.take(line);
    }
    const busy = this.waiting.length > 0 || this.busy;
    if (busy && !this.socket.isPaused()) this.socket.pause();
    else if (!busy && this.socket.isPaused()) this.socket.resume();
  }

  private drained(): void {
    this.regulate();
    const owed = this.owedDisks;
    this.owedDisks = null;
    if (owed) this.event('disks', owed());
    const recordings = this.owedRecordings;
    this.owedRecordings = null;
    if (recordings) this.event('recordings', recordings());
  }
}

function oneLine(error: z.ZodError): string {
  return error.issues
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`))
    .join('; ');
}
