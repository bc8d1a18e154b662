/** A WindowBridge whose main process, daemon and feed are made up. */
import type { Disk, DiskStatistics } from '../../../app/contract/disk';
import type { Answer, ErrorValue } from '../../../app/contract/errors';
import { BATCH_RECORDS, INITIAL_CREDITS, isFeedRequest } from '../../../app/contract/feed';
import { type Bytes, bytes, diskId, nanoseconds } from '../../../app/contract/units';
import {
  traceChannel,
  type WindowBridge,
  type WindowChannel,
  type WindowEvent,
  type WindowEvents,
  type WindowParams,
  type WindowResult,
} from '../../../app/contract/window-api';
import { RECORD_BYTES } from '../../../app/contract/trace';
import { writeRecord } from '../records';
import { PlantedRequests, type PlantedRequest } from './planted';
import { errorValue, machine, madeDisk, type Scene } from './scenes';
import { Workload } from './workload';

const EPOCH_REALTIME = 1_795_000_000_000_000_000n;

type Handlers = {
  [Channel in WindowChannel]: (params: WindowParams<Channel>) => WindowResult<Channel>;
};

class Refused extends Error {
  constructor(readonly value: ErrorValue) {
    super(value.message);
  }
}

/** The bytes of the made-up image: each sector begins with its number, the rest repeats or is zero. */
export function imageBytes(sector: bigint, length: number): Uint8Array {
  const made = new Uint8Array(length);
  const words = new TextEncoder();
  for (let offset = 0; offset < length; offset += 512) {
    const number = sector + BigInt(offset / 512);
    made.set(
      words.encode(`sector ${number} of a made-up image`).subarray(0, length - offset),
      offset,
    );
    for (let index = 64; index < 512 && number % 3n !== 0n; index++) {
      if (offset + index < length)
        made[offset + index] = (index * 7 + Number(number % 251n)) & 0xff;
    }
  }
  return made;
}

function base64(data: Uint8Array): string {
  let binary = '';
  for (const byte of data) binary += String.fromCharCode(byte);
  return btoa(binary);
}

export class FakeBridge implements WindowBridge {
  readonly platform = { electron: '0', kernel: '6.12.1' };
  /** What was copied, newest last. */
  readonly copied: string[] = [];
  /** Answers that fail, by channel: tests set them. */
  readonly refusals = new Map<WindowChannel, ErrorValue>();
  readonly #listeners = new Map<WindowEvent, Set<(data: never) => void>>();
  readonly #workload = new Workload();
  readonly #planted = new PlantedRequests();
  readonly #scene: Scene;
  disks: readonly Disk[];
  #feed: MessagePort | null = null;
  #credits = INITIAL_CREDITS;
  #owed = 0;
  #lost: bigint;
  #nextDisk = 10;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.disks = scene.disks;
    this.#owed = scene.requests;
    this.#lost = scene.lost;
    window.setInterval(() => this.#tick(), 50);
    window.setInterval(() => this.#sendStatistics(), 250);
  }

  readonly #handlers: Handlers = {
    'state.get': () => ({ daemon: this.#scene.daemon, disks: this.disks }),
    'trace.open': () => {
      const { port1, port2 } = new MessageChannel();
      this.#feed = port1;
      port1.onmessage = (event: MessageEvent<unknown>) => {
        if (isFeedRequest(event.data)) this.#credits += event.data.batches;
      };
      for (const disk of this.disks) this.#open(disk);
      window.postMessage(traceChannel, '*', [port2]);
      return {};
    },
    'disks.attach': ({ path, readOnly, route = 'auto' }) => {
      const number = this.#nextDisk++;
      const name = path.split('/').at(-1) ?? path;
      if (name.includes('missing')) {
        const message = `${path} does not exist. Check the path; it is taken as it stands.`;
        throw new Refused(errorValue('IMAGE_MISSING', message, { errno: 'ENOENT' }));
      }
      if (name.endsWith('.bioscope')) {
        const message = `${path} is damaged: the checksum of its header does not match.`;
        throw new Refused(errorValue('CAPTURE_DAMAGED', message, { errno: 'EBADMSG' }));
      }
      if (name.includes('locked') && !readOnly) {
        const message = `${path} may be read but not written by you. Attach it read-only, or change its permissions.`;
        throw new Refused(errorValue('IMAGE_NOT_WRITABLE', message, { errno: 'EACCES' }));
      }
      const disk = madeDisk({
        id: diskId(`disk-${number}`),
        number,
        name,
        imagePath: path,
        readOnly,
        route: route === 'auto' ? 'fuse-loop' : route,
      });
      this.setDisks([...this.disks, disk]);
      this.#open(disk);
      return disk;
    },
    'disks.detach': ({ disk, deferred = false }) => {
      const held = this.disks.find(({ id }) => id === disk);
      if (deferred) return {};
      if (held && held.holders.length > 0) {
        const message = `${held.device ?? held.name} is in use: mounted on /mnt/rootfs. Unmount it, then detach again.`;
        throw new Refused(
          errorValue('DISK_BUSY', message, { errno: 'EBUSY', holders: held.holders }),
        );
      }
      this.setDisks(this.disks.filter(({ id }) => id !== disk));
      return {};
    },
    'disks.dismiss': ({ disk }) => {
      this.setDisks(this.disks.filter(({ id }) => id !== disk));
      return {};
    },
    'disks.abort': () => ({}),
    'disks.resize': ({ disk }) => {
      const found = this.disks.find(({ id }) => id === disk);
      if (found) return found;
      throw new Refused(errorValue('DISK_UNKNOWN', `There is no disk ${disk}.`));
    },
    'machine.probe': () => machine,
    'payload.read': ({ sequence, offset, length }) => {
      const planted = this.#planted.payload(Number(sequence));
      if (planted) {
        const part = planted.subarray(offset, offset + length);
        return { kept: true, total: bytes(planted.length), base64: base64(part) };
      }
      if (BigInt(sequence) < this.#workload.next - 3000n) return { kept: false };
      const request = this.#workload.request(Number(sequence));
      const total = request.length;
      const data = imageBytes(BigInt(request.sector), total).subarray(offset, offset + length);
      return { kept: true, total: bytes(total), base64: base64(data) };
    },
    'image.read': ({ sector, length }) => {
      const image = imageBytes(BigInt(sector), length);
      return { base64: base64(this.#planted.over(image, BigInt(sector))) };
    },
    'images.choose': () => ({ paths: ['/home/anna/chosen.img'] }),
    'captures.choose': () => ({ paths: ['/home/anna/boot.bioscope'] }),
    'captures.open': ({ path }) => {
      const message = `${path} is no capture of Bioscope's.`;
      throw new Refused(errorValue('CAPTURE_FOREIGN', message));
    },
    'captures.export': ({ path }) => ({ path, remarks: [] }),
    'captures.stop-export': () => ({}),
    'captures.place': ({ name }) => ({ path: `/home/anna/${name}` }),
    'recordings.start': () => {
      throw new Refused(errorValue('NO_SPACE', 'The made-up disk is full.', { errno: 'ENOSPC' }));
    },
    'recordings.stop': () => {
      throw new Refused(errorValue('RECORDING_UNKNOWN', 'The made-up daemon records nothing.'));
    },
    'recordings.list': () => ({ recordings: [] }),
    'daemon.start': () => {
      throw new Refused(errorValue('DAEMON_UNREACHABLE', 'The made-up daemon does not start.'));
    },
    'clipboard.write': ({ text }) => {
      this.copied.push(text);
      return {};
    },
  };

  async invoke<Channel extends WindowChannel>(
    channel: Channel,
    params: WindowParams<Channel>,
  ): Promise<Answer<WindowResult<Channel>>> {
    await new Promise((resolve) => setTimeout(resolve, 5));
    const refusal = this.refusals.get(channel);
    if (refusal) return { ok: false, error: refusal };
    try {
      return { ok: true, value: this.#handlers[channel](params) };
    } catch (thrown) {
      if (thrown instanceof Refused) return { ok: false, error: thrown.value };
      throw thrown;
    }
  }

  on<Event extends WindowEvent>(
    event: Event,
    listener: (data: WindowEvents[Event]) => void,
  ): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  pathForFile(file: File): string {
    return `/home/anna/${file.name}`;
  }

  emit<Event extends WindowEvent>(event: Event, data: WindowEvents[Event]): void {
    for (const listener of this.#listeners.get(event) ?? []) {
      (listener as (data: WindowEvents[Event]) => void)(data);
    }
  }

  setDisks(disks: readonly Disk[]): void {
    this.disks = disks;
    this.emit('state', { daemon: this.#scene.daemon, disks });
  }

  /** Has the first disk serve `count` requests more. */
  makeRequests(count: number): void {
    this.#owed += count;
  }

  /** The daemon of the first disk dies, and the next one serves so much later. */
  leaveUnserved(milliseconds: number): void {
    const { from, to } = this.#workload.pause(BigInt(milliseconds) * 1_000_000n);
    const gap = { from: nanoseconds(from), to: nanoseconds(to) };
    const [first, ...rest] = this.disks;
    if (first) this.setDisks([{ ...first, gaps: [...(first.gaps ?? []), gap] }, ...rest]);
  }

  /** Has the first disk serve `requests` now, in their order; returns their sequences. */
  plantRequests(requests: readonly PlantedRequest[]): number[] {
    const [disk] = this.disks;
    if (!this.#feed || !disk) throw new Error('there is no disk to plant on');
    const records = new ArrayBuffer(requests.length * RECORD_BYTES);
    const view = new DataView(records);
    const sequences = requests.map((request, index) => {
      const made = this.#workload.make();
      const sequence = Number(made.sequence);
      const length = this.#planted.add(sequence, request);
      const operation = request.operation === 'read' ? 0 : 1;
      const place = { operation, sector: request.sector, length, flags: 0 };
      const outcome = { error: 0, result: 0, marks: 1 };
      writeRecord(view, index * RECORD_BYTES, { ...made, ...place, ...outcome });
      return sequence;
    });
    const count = requests.length;
    this.#credits--;
    this.#feed.postMessage({ type: 'batch', disk: disk.id, records, count, lost: 0n });
    return sequences;
  }

  /**
   * Sends `count` records as fast as credits allow: one batch again and again,
   * with new sequences. Resolves to the milliseconds until the last was taken.
   */
  async flood(count: number): Promise<number> {
    const [disk] = this.disks;
    if (!this.#feed || !disk) throw new Error('there is no disk to flood');
    const records = new ArrayBuffer(BATCH_RECORDS * RECORD_BYTES);
    const view = new DataView(records);
    for (let index = 0; index < BATCH_RECORDS; index++) {
      writeRecord(view, index * RECORD_BYTES, this.#workload.make());
    }
    const words = new BigUint64Array(records);
    const begin = performance.now();
    for (let sent = 0; sent < count; sent += BATCH_RECORDS) {
      while (this.#credits === 0) await new Promise((resolve) => setTimeout(resolve, 0));
      this.#credits--;
      this.#feed.postMessage({
        type: 'batch',
        disk: disk.id,
        records,
        count: BATCH_RECORDS,
        lost: 0n,
      });
      for (let word = 0; word < words.length; word += 8) words[word]! += BigInt(BATCH_RECORDS);
    }
    while (this.#credits < INITIAL_CREDITS) await new Promise((resolve) => setTimeout(resolve, 0));
    return performance.now() - begin;
  }

  #open(disk: Disk): void {
    this.#feed?.postMessage({
      type: 'opened',
      disk: disk.id,
      number: disk.number,
      epochMonotonicNs: 0n,
      epochRealtimeNs: EPOCH_REALTIME,
    });
  }

  #tick(): void {
    const [disk] = this.disks;
    if (!this.#feed || !disk) return;
    this.#owed += this.#scene.perSecond / 20;
    while (this.#owed >= 1 && this.#credits > 0) {
      const count = Math.min(BATCH_RECORDS, Math.floor(this.#owed));
      const records = new ArrayBuffer(count * RECORD_BYTES);
      const view = new DataView(records);
      for (let index = 0; index < count; index++) {
        writeRecord(view, index * RECORD_BYTES, this.#workload.make());
      }
      this.#owed -= count;
      this.#credits--;
      const lost = this.#lost;
      this.#lost = 0n;
      this.#feed.postMessage({ type: 'batch', disk: disk.id, records, count, lost });
    }
  }

  #sendStatistics(): void {
    const zero: Bytes = bytes(0);
    const disks = this.disks.map((disk, index): DiskStatistics => {
      const counts = index === 0 ? this.#workload.counts : null;
      return {
        disk: disk.id,
        time: nanoseconds(Math.round(performance.now() * 1e6)),
        reads: bytes(counts?.reads ?? 0),
        writes: bytes(counts?.writes ?? 0),
        flushes: bytes(counts?.flushes ?? 0),
        discards: zero,
        zeroes: zero,
        readBytes: bytes(counts?.readBytes ?? 0),
        writtenBytes: bytes(counts?.writtenBytes ?? 0),
        errors: bytes(counts?.errors ?? 0),
        inFlight: 0,
        payloadBytes: bytes(index === 0 ? 42_991_616 : 0),
        payloadLimit: bytes(64 << 20),
        traceCapacity: bytes(262_144),
      };
    });
    this.emit('statistics', { disks, cpu: 0.031 });
  }
}
