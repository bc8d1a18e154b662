/** The built helper itself, started by root as the daemon of root does, and spoken to frame by frame. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { NativeAddon, NativeDisk } from '../../app/addon/addon';
import type { HelperSocket } from '../../app/addon/helper-socket';
import { decodeReply, encodeRequest, type HelperRequest } from '../../app/privileged/helper-frames';
import type { HelperReply } from '../../app/privileged/helper-frames';
import { until } from '../support/commands';
import { projectDirectory } from '../support/project';

const addonPath = join(projectDirectory, 'dist/bioscope.node');
export const addon = createRequire(import.meta.url)(addonPath) as NativeAddon;
export const builtHelper = join(projectDirectory, 'dist/bioscope-helper');

/** An image that is served on a FUSE connection of the helper's; its trace is in `directory`. */
export const openImage = (image: string, directory: string): Promise<NativeDisk> =>
  addon.openDisk({
    imagePath: image,
    readOnly: false,
    number: 1,
    tracePath: join(directory, 'trace'),
    threads: 1,
    ringCapacity: 1024,
    payloadLimit: 0,
    trace: true,
    route: 'fuse-loop',
    resumeTrace: false,
  });

export interface Ended {
  readonly status: number | null;
  readonly signal: string | null;
  readonly words: string;
}

export class RealHelper {
  readonly replies: HelperReply[] = [];
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  private readonly socket: HelperSocket;
  private over = false;
  private nextId = 1n;

  constructor(
    group: string,
    options: {
      readonly program?: string;
      /** Words before the group. */
      readonly before?: readonly string[];
      readonly environment?: Readonly<Record<string, string>>;
    } = {},
  ) {
    this.socket = addon.openHelperSocket((frame, descriptors) => {
      if (frame === null) this.over = true;
      else this.replies.push(decodeReply(frame, descriptors));
    });
    this.child = spawn(options.program ?? builtHelper, [...(options.before ?? []), group], {
      env: options.environment ?? {},
      stdio: [this.socket.peer, 'ignore', 'pipe'],
    });
    this.socket.closePeer();
    let words = '';
    this.child.stderr?.on('data', (text: Buffer) => (words += text.toString()));
    this.ended = new Promise((resolve) => {
      this.child.once('close', (status, signal) => resolve({ status, signal, words }));
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Sends a request as it is encoded, after `spoil` has had its way with the bytes. */
  send(request: HelperRequest, spoil?: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array): bigint {
    const id = this.nextId++;
    const bytes = new Uint8Array(encodeRequest(id, request));
    this.socket.send(spoil ? spoil(bytes) : bytes);
    return id;
  }

  /** The last reply to a request; null when the helper ended instead. */
  async answer(
    request: HelperRequest,
    spoil?: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array,
  ): Promise<HelperReply | null> {
    const id = this.send(request, spoil);
    const find = () => this.replies.find((reply) => reply.id === id && (reply.flags & 1) === 0);
    await until(`an answer to verb ${request.verb}`, () => find() !== undefined || this.over);
    return find() ?? null;
  }

  /** Ends the socket and waits for the helper. */
  async end(): Promise<Ended> {
    this.socket.close();
    const ended = await this.ended;
    for (const { descriptors } of this.replies) descriptors.forEach((fd) => closeSync(fd));
    return ended;
  }
}
