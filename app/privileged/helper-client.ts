/**
 * One running helper: starts it when it is first needed, asks it, and tells why
 * it could not be had. It lives as long as this process or until `close`, so that
 * the user is asked for a password once and not for each disk.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import type { HelperSocket, HelperSockets } from '../addon/helper-socket';
import { BioscopeError } from '../contract/errors';
import {
  BIOSCOPE_HELPER_HELLO,
  BIOSCOPE_HELPER_REPLY_MORE,
  BIOSCOPE_HELPER_REPLY_NONE,
} from '../contract/wire.gen';
import { decodeReply, encodeRequest, type HelperReply, type HelperRequest } from './helper-frames';

/** The helper takes 16; the rest is kept for requests that free others. */
const MOST_IN_FLIGHT = 12;
/** So long after a refusal nobody is asked again: one question may need several verbs. */
const REFUSAL_MS = 5_000;
const LONGEST_WORDS = 4096;

export interface HelperProgram {
  readonly program: string;
  readonly parameters: readonly string[];
  /** What to tell the user when it ended before it answered. */
  explain(end: HelperEnd): BioscopeError;
}

export interface HelperEnd {
  /** Null when it could not be run at all, or was killed. */
  readonly status: number | null;
  /** What it said on standard error, or why it could not be run. */
  readonly words: string;
}

interface Pending {
  readonly rows: HelperReply[];
  resolve(rows: readonly HelperReply[]): void;
  reject(error: Error): void;
}

export class HelperClient {
  private connection: Promise<Connection> | null = null;
  private refusal: { readonly error: BioscopeError; readonly until: number } | null = null;
  private inFlight = 0;
  private readonly waiting: (() => void)[] = [];

  /** `find` says what to start; it throws a BioscopeError when there is nothing to start. */
  constructor(
    private readonly sockets: HelperSockets,
    private readonly find: () => HelperProgram,
  ) {}

  /** True when the user need not be asked any more. */
  get running(): boolean {
    return this.connection !== null;
  }

  /**
   * The reply, or several for a list. Rejects with PRIVILEGE_MISSING when the
   * helper could not be had, else with an Error as the addon's. `urgent` passes
   * by those that wait for their turn.
   */
  async requestList(request: HelperRequest, urgent = false): Promise<readonly HelperReply[]> {
    if (!urgent && this.inFlight >= MOST_IN_FLIGHT) {
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
    this.inFlight += 1;
    try {
      const connection = await this.connect();
      return await connection.request(request);
    } finally {
      this.inFlight -= 1;
      this.waiting.shift()?.();
    }
  }

  async request(request: HelperRequest, urgent = false): Promise<HelperReply> {
    const [reply] = await this.requestList(request, urgent);
    if (!reply) throw new Error('The helper answered with an empty list.');
    return reply;
  }

  /** Ends the helper. */
  close(): void {
    const { connection } = this;
    this.connection = null;
    void connection?.then(
      (open) => open.close(),
      () => undefined,
    );
  }

  private async connect(): Promise<Connection> {
    if (this.refusal && this.refusal.until > Date.now()) throw this.refusal.error;
    this.connection ??= this.start();
    return this.connection;
  }

  private async start(): Promise<Connection> {
    try {
      const connection = await Connection.open(this.sockets, this.find(), () => {
        this.connection = null;
      });
      this.refusal = null;
      return connection;
    } catch (thrown) {
      this.connection = null;
      if (thrown instanceof BioscopeError) {
        this.refusal = { error: thrown, until: Date.now() + REFUSAL_MS };
      }
      throw thrown;
    }
  }
}

class Connection {
  private readonly socket: HelperSocket;
  private readonly pending = new Map<bigint, Pending>();
  private nextId = 1n;
  private over: BioscopeError | null = null;

  private constructor(
    sockets: HelperSockets,
    private readonly onEnd: () => void,
  ) {
    this.socket = sockets.openHelperSocket((frame, descriptors) => {
      if (frame === null) this.end();
      else this.take(frame, descriptors);
    });
  }

  /** Resolves once the helper has answered: it runs, and was allowed to. */
  static async open(
    sockets: HelperSockets,
    program: HelperProgram,
    onEnd: () => void,
  ): Promise<Connection> {
    const connection = new Connection(sockets, onEnd);
    const { socket } = connection;
    let child: ChildProcess;
    try {
      child = spawn(program.program, program.parameters, {
        cwd: '/',
        // pkexec speaks the words that are read below, and the helper trusts none of these.
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
        stdio: [socket.peer, 'ignore', 'pipe'],
      });
    } catch (thrown) {
      socket.close();
      throw program.explain({ status: null, words: String(thrown) });
    } finally {
      socket.closePeer();
    }
    const ended = endOf(child);
    try {
      const hello = connection.request({ verb: BIOSCOPE_HELPER_HELLO });
      await Promise.race([
        hello,
        ended.then((end) => {
          throw program.explain(end);
        }),
      ]);
    } catch {
      connection.close();
      // Its socket ends a moment before it does: its own words say more.
      throw program.explain(await ended);
    }
    return connection;
  }

  async request(request: HelperRequest): Promise<readonly HelperReply[]> {
    if (this.over) throw this.over;
    const id = this.nextId++;
    const frame = encodeRequest(id, request);
    return new Promise((resolve, reject) => {
      this.pending.set(id, { rows: [], resolve, reject });
      try {
        this.socket.send(frame);
      } catch (thrown) {
        this.pending.delete(id);
        reject(thrown instanceof Error ? thrown : new Error(String(thrown)));
      }
    });
  }

  close(): void {
    this.socket.close();
  }

  private take(frame: Uint8Array, descriptors: readonly number[]): void {
    let reply: HelperReply;
    try {
      reply = decodeReply(frame, descriptors);
    } catch {
      descriptors.forEach((descriptor) => closeSync(descriptor));
      this.close(); // of another version, or no helper of ours
      return;
    }
    const pending = this.pending.get(reply.id);
    if (!pending) {
      descriptors.forEach((descriptor) => closeSync(descriptor));
      return;
    }
    if (reply.errno !== 0) {
      this.pending.delete(reply.id);
      pending.reject(helperError(reply));
      return;
    }
    if ((reply.flags & BIOSCOPE_HELPER_REPLY_NONE) === 0) pending.rows.push(reply);
    if ((reply.flags & BIOSCOPE_HELPER_REPLY_MORE) !== 0) return;
    this.pending.delete(reply.id);
    pending.resolve(pending.rows);
  }

  private end(): void {
    this.over = new BioscopeError(
      'PRIVILEGE_MISSING',
      'The privileged helper ended. What it had set up for disks of this daemon may be gone; try again.',
      { errno: 'EPIPE' },
    );
    for (const pending of this.pending.values()) pending.reject(this.over);
    this.pending.clear();
    this.onEnd();
  }
}

function endOf(child: ChildProcess): Promise<HelperEnd> {
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(0, LONGEST_WORDS);
  });
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ status: null, words: error.message }));
    child.once('close', (status) => resolve({ status, words: words.trim() }));
  });
}

/** "EBUSY" for 16; the number where Node has no name for it. */
function errnoName(errno: number): string {
  const found = Object.entries(constants.errno).find(([, value]) => value === errno);
  return found ? found[0] : String(errno);
}

/** An Error as the addon's own. */
function helperError({ errno, step, name, text }: HelperReply): Error {
  const code = errnoName(errno);
  const message = `${code}: ${text === '' ? step : text}`;
  return Object.assign(new Error(message), {
    code,
    errno,
    syscall: step,
    ...(name === '' ? {} : { path: name }),
  });
}
