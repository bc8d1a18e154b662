/**
 * Serves a target that the kernel has already: one whose daemon died or handed over,
 * or one made by hand. Its requests wait until then.
 */
import { closeSync } from 'node:fs';
import type { NativeAddon, NativeDisk } from '../../addon/addon';
import type { TargetState } from '../../privileged/targets';
import { BioscopeError, toErrorValue } from '../../contract/errors';
import type { Nanoseconds } from '../../contract/units';
import { quote } from '../images/image-errors';
import { readTarget, settleTarget, type DmUserOptions } from '../routes/dm-user-route';
import type { SavedTarget } from '../routes/route';
import { openImage, type AttachRequest, type Attached } from './attach-disk';

export interface ResumeRequest extends AttachRequest {
  readonly saved: SavedTarget;
  /** Of the device, bytes, as it was saved last. */
  readonly size: bigint;
  /** Being opened while the image is; null where the target is gone. */
  readonly opening: Promise<OpenedTarget | null>;
  /** It is served already. */
  readonly serving?: Serving | undefined;
}

/** A target with its channels open. */
export interface OpenedTarget {
  /** Null when it is gone. May be heard of only after its requests are served. */
  readonly state: Promise<TargetState | null>;
  /** Another daemon has served it since the state was asked for. */
  readonly isOld: boolean;
  /** Empty once the engine owns them. */
  readonly channels: number[];
}

/** An engine whose threads are ready to serve a target. */
export interface ReadyEngine {
  readonly native: NativeDisk;
  readonly tracePath: string;
}

export interface Serving extends ReadyEngine {
  readonly since: Nanoseconds;
}

/** While they are open the module takes the target for served. */
export function closeChannels(opened: OpenedTarget | null | undefined): void {
  opened?.channels.splice(0).forEach((channel) => closeSync(channel));
}

export interface Resumed extends Attached, Serving {}

/**
 * All or nothing, and the target stays whatever happens. With `resumeTrace` the trace
 * goes on in its file, and in a fresh one beside it if that has another shape.
 * Serves first, and asks how the target stands afterwards: its requests wait meanwhile. But
 * one made by hand may be another by now, and larger than the image: it is asked about first.
 * Throws BioscopeError; channels that the engine has not taken are then the caller's to close.
 */
export async function resumeDisk(
  request: ResumeRequest,
  addon: NativeAddon,
  options: DmUserOptions,
): Promise<Resumed> {
  const { serving } = request;
  const { native, tracePath } = serving ?? (await reopenImage(request, addon, options));
  try {
    const opened = await request.opening;
    if (opened === null) throw gone();
    let { size } = request;
    const takeSize = async () => {
      const state = await opened.state;
      if (state === null) throw gone();
      // What was asked before a hand-over may be old: the old daemon ended its changes first.
      if (!opened.isOld || request.saved.foreign) size = state.sectors * 512n;
      return state;
    };
    // The saved one may be older than a shrinking.
    if (request.saved.foreign || native.size < size) await takeSize();
    refuseSmallImage(request, size, native);
    const since = serving?.since ?? (await readTarget(native, opened.channels));
    const state = await takeSize();
    refuseSmallImage(request, size, native);
    const route = await settleTarget(
      {
        native,
        fileName: request.image.name,
        readOnly: request.image.readOnly,
        mountDirectory: request.mountDirectory,
        label: request.label,
      },
      options,
      { state, isOld: opened.isOld, saved: request.saved },
    );
    return { native, route, tracePath, since, notes: [...request.image.notes, ...route.notes] };
  } catch (thrown) {
    await native.close();
    throw thrown;
  }
}

const gone = () => new BioscopeError('DISK_FAILED', 'The target is gone.');

/**
 * Has an engine ready to serve a target that another daemon serves still, up to
 * `takeOver`. Null where it must wait for that daemon's end (of a block device, say).
 * Throws where the channels could not be served; the engine has closed them then.
 */
export async function readyEngine(
  request: Omit<ResumeRequest, 'opening'>,
  channels: number[],
  addon: NativeAddon,
  { log }: DmUserOptions,
): Promise<ReadyEngine | null> {
  const { tracePath, saved, size } = request;
  const wish = { ...request, resumeTrace: true, succeeds: true };
  const native = await openImage(wish, addon, 'dm-user').catch((thrown: unknown) => {
    log(`${saved.tag} waits for the old daemon's end: ${toErrorValue(thrown).message}`);
    return null;
  });
  if (native === null) return null;
  if (native.size < size) {
    log(`${saved.tag} waits for the old daemon's end: its image is smaller than the device`);
    await native.close();
    return null;
  }
  try {
    await readTarget(native, channels);
  } catch (thrown) {
    await native.close();
    throw thrown;
  }
  return { native, tracePath };
}

async function reopenImage(
  request: ResumeRequest,
  addon: NativeAddon,
  { log }: DmUserOptions,
): Promise<ReadyEngine> {
  const { tracePath } = request;
  try {
    return { native: await openImage(request, addon, 'dm-user'), tracePath };
  } catch (thrown) {
    const { code, message } = toErrorValue(thrown);
    if (request.resumeTrace !== true || code !== 'RUNTIME_DIRECTORY') throw thrown;
    log(`the trace begins anew: ${message}`);
    const fresh = `${tracePath.replace(/(-\d+)?\.trace$/, '')}-${process.pid}.trace`;
    const anew = { ...request, tracePath: fresh, resumeTrace: false };
    return { native: await openImage(anew, addon, 'dm-user'), tracePath: fresh };
  }
}

function refuseSmallImage({ image }: ResumeRequest, wanted: bigint, native: NativeDisk): void {
  if (native.size >= wanted) return;
  throw new BioscopeError(
    'IMAGE_TOO_SMALL',
    `${quote(image.path)} has ${native.size} bytes, the device ${wanted}. Make the image at least that large (truncate -s ${wanted}) and try again.`,
  );
}
