/**
 * dm-user: a device-mapper target whose requests the kernel hands to our threads
 * over channels. The target is the kernel's: it outlives this daemon, keeps what
 * was not answered, and gives it to the next one that opens a channel.
 */
import { closeSync } from 'node:fs';
import { basename } from 'node:path';
import type { NativeDisk } from '../../addon/addon';
import type { Holder } from '../../contract/errors';
import type { Nanoseconds } from '../../contract/units';
import {
  targetName,
  type TargetOptions,
  type TargetState,
  type TargetVerbs,
} from '../../privileged/targets';
import { scanFileHolders, scanHolders } from '../holders/scan-holders';
import { errnoOf } from '../images/image-errors';
import type { Log } from '../log';
import { moduleState } from '../machine/dm-user-module';
import { monotonicNow } from '../signs-of-life';
import type { SystemRoots } from '../system/roots';
import { allOrNothing, type Rollback } from '../rollback';
import { channelsFor } from './channels';
import type { AttachedRoute, Route, RouteRequest, SavedTarget, TargetControl } from './route';

export interface DmUserOptions {
  readonly targets: TargetVerbs;
  /** Channels of each target. */
  readonly channels: number;
  readonly log: Log;
}

/** The tag of a disk's target, by its label: "bioscope:d3:1a2b3c4d5e6f" has "d3-1a2b". */
export function tagOf(label: string): string {
  const [, id = 'disk', secret = ''] = label.split(':');
  return `${id}-${secret.slice(0, 4)}`;
}

/** Who serves a target of this user at this moment: whoever has its control device open. */
export function serversOf(tag: string, roots?: SystemRoots): Promise<readonly Holder[]> {
  return scanFileHolders(`/dev/dm-user/${targetName(tag)}`, { ...(roots ? { roots } : {}) });
}

/** The path people use, /dev/mapper/<name>, of a target of this user. */
const mapperPath = (tag: string) => `/dev/mapper/${targetName(tag)}`;

export function dmUserRoute(options: DmUserOptions): Route {
  return {
    name: 'dm-user',
    attach: (request) =>
      allOrNothing(options.log, (rollback) => attachSteps(request, options, rollback)),
  };
}

async function attachSteps(
  request: RouteRequest,
  options: DmUserOptions,
  rollback: Rollback,
): Promise<AttachedRoute> {
  const { targets, channels: count } = options;
  const { native, label, readOnly } = request;
  const tag = tagOf(label);
  if (moduleState('dm-user') !== 'loaded') await targets.loadModule();
  let isAnothers = false;
  // Before it is made: it may have been although no answer came, the helper having died of it.
  rollback.add('make the target', async () => {
    if (isAnothers || (await targets.status(tag)) === null) return;
    await targets.abort(tag);
    await targets.remove({ tag, deferred: true });
  });
  const { state, notes } = await create(targets, {
    tag,
    sectors: native.size / 512n,
    readOnly,
    discards: !readOnly,
    writeZeroes: !readOnly,
  }).catch((thrown: unknown) => {
    isAnothers = errnoOf(thrown) === 'EEXIST';
    throw thrown;
  });
  const channels = await targets.openChannels({ tag, count });
  await native.startDmUser({ channels });
  const saved = { tag, foreign: false };
  return attachedRoute(request, options, { saved, state, notes });
}

async function create(
  targets: TargetVerbs,
  options: TargetOptions,
): Promise<{ state: TargetState; notes: readonly string[] }> {
  const { result: state, plain } = await plainIfRefused(options, (one) => targets.create(one));
  const note =
    'The dm-user module of this kernel is not Bioscope’s: discards and “write zeroes” do not reach the disk, and requests fail while no daemon serves them.';
  return { state, notes: plain ? [note] : [] };
}

/** Another dm-user module (Android's, the first one) refuses our own options. */
async function plainIfRefused<Result>(
  options: TargetOptions,
  verb: (options: TargetOptions) => Promise<Result>,
): Promise<{ result: Result; plain: boolean }> {
  try {
    return { result: await verb(options), plain: false };
  } catch (thrown) {
    if (errnoOf(thrown) !== 'EINVAL' || options.readOnly) throw thrown;
    const result = await verb({ ...options, discards: false, writeZeroes: false });
    return { result, plain: true };
  }
}

/** A target that was there already, and whose requests are read now. */
export interface ServedTarget {
  readonly saved: SavedTarget;
  readonly state: TargetState;
  /** The state may be another one by now. */
  readonly isOld: boolean;
}

/**
 * Reads a target's requests, which others have made. Resolves with when that began. Channels
 * that the engine has no threads for are closed: the trace that it goes on with may be of a
 * daemon that had fewer.
 */
export async function readTarget(native: NativeDisk, channels: number[]): Promise<Nanoseconds> {
  const since = monotonicNow();
  channels.splice(channelsFor(native.threads)).forEach((channel) => closeSync(channel));
  await native.startDmUser({ channels: channels.splice(0) });
  return since;
}

/** What else it takes to go on with a target once its requests are read. */
export async function settleTarget(
  request: RouteRequest,
  options: DmUserOptions,
  target: ServedTarget,
): Promise<AttachedRoute> {
  const { saved, state } = target;
  if (!saved.foreign && (await isSuspended(options, target))) {
    // The old daemon ended in the middle of a change of size; nobody else lets requests through.
    await options.targets.resume(saved.tag);
  }
  return attachedRoute(request, options, { saved, state, notes: [] });
}

/** The state known from before a hand-over may be an old one. */
async function isSuspended(
  { targets }: DmUserOptions,
  { saved, state, isOld }: ServedTarget,
): Promise<boolean> {
  if (!isOld) return state.suspended;
  return (await targetState(targets, saved))?.suspended ?? false;
}

/** Channels of a saved target; requests wait in the kernel until they are read. */
export function openChannels(
  { targets, channels: count }: DmUserOptions,
  { tag, foreign }: SavedTarget,
): Promise<number[]> {
  return foreign ? targets.openForeign({ name: tag, count }) : targets.openChannels({ tag, count });
}

/** The target's state now; null when it is gone. */
export async function targetState(
  targets: TargetVerbs,
  { tag, foreign }: SavedTarget,
): Promise<TargetState | null> {
  if (!foreign) return targets.status(tag);
  return (await targets.listForeign()).find((state) => state.tag === tag) ?? null;
}

function attachedRoute(
  { readOnly }: RouteRequest,
  options: DmUserOptions,
  made: {
    readonly saved: SavedTarget;
    readonly state: TargetState;
    readonly notes: readonly string[];
  },
): AttachedRoute {
  const { targets, log } = options;
  const { saved, state } = made;
  const { tag } = saved;
  const device = saved.foreign ? `/dev/mapper/${tag}` : mapperPath(tag);

  const target: TargetControl = {
    saved,
    async removeDeferred() {
      await targets.remove({ tag, deferred: true });
    },
    async resize(sectors) {
      // Requests that wait are kept: nobody fails or waits longer than the reload takes.
      const wanted = { tag, sectors, readOnly, discards: !readOnly, writeZeroes: !readOnly };
      await plainIfRefused(wanted, (one) => targets.reload(one));
      try {
        await targets.suspend({ tag, noFlush: true });
      } finally {
        await targets.resume(tag); // whatever happened: suspended, every request would wait
      }
    },
    abort: () => targets.abort(tag),
  };

  return {
    device,
    fuseFile: null,
    notes: [...made.notes, ...(saved.foreign ? [foreignNote(device)] : [])],
    target,
    // The kernel looks for no partitions on device-mapper targets (kpartx does).
    partitions: () => [],
    holders: async () => renamed(await scanHolders(state.device, ignoreUs), state.device, device),
    async detach() {
      if (!saved.foreign) await targets.remove({ tag, deferred: false });
    },
    async abandon() {
      if (saved.foreign) return;
      try {
        if ((await targets.status(tag)) === null) return;
        // Nobody will answer: failing is better than hanging.
        await targets.abort(tag);
        await targets.remove({ tag, deferred: true });
      } catch (thrown) {
        log(`cannot clear ${device}: ${String(thrown)}`);
      }
    },
  };
}

const ignoreUs = { ignoredPid: process.pid };

const foreignNote = (device: string) =>
  `${device} was made by hand: detaching it stops serving it and leaves the target (its requests then wait, or fail, as its module does).`;

/** Holders of /dev/dm-3 by the name that people use. */
export function renamed(
  holders: readonly Holder[],
  kernelPath: string,
  device: string,
): readonly Holder[] {
  const name = `/dev/${basename(kernelPath)}`;
  return holders.map((holder) => (holder.device === name ? { ...holder, device } : holder));
}
