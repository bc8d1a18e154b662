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
import { serveTarget, type DmUserOptions } from '../routes/dm-user-route';
import type { SavedTarget } from '../routes/route';
import { openImage, type AttachRequest, type Attached } from './attach-disk';

export interface ResumeRequest extends AttachRequest {
  readonly saved: SavedTarget;
  /** Of the device, bytes, as it was saved last. */
  readonly size: bigint;
  /** Being opened while the image is; null where the target is gone. */
  readonly opening: Promise<OpenedTarget | null>;
}

/** A target with its channels open. */
export interface OpenedTarget {
  readonly state: TargetState;
  /** Another daemon has served it since the state was asked for. */
  readonly isOld: boolean;
  /** Empty once the engine owns them. */
  readonly channels: number[];
}

/** While they are open the module takes the target for served. */
export function closeChannels(opened: OpenedTarget | null | undefined): void {
  opened?.channels.splice(0).forEach((channel) => closeSync(channel));
}

export interface Resumed extends Attached {
  readonly tracePath: string;
  /** From when on it is served. */
  readonly since: Nanoseconds;
}

/**
 * All or nothing, and the target stays whatever happens. With `resumeTrace` the trace
 * goes on in its file, and in a fresh one beside it if that has another shape.
 * Throws BioscopeError; channels that the engine has not taken are then the caller's to close.
 */
export async function resumeDisk(
  request: ResumeRequest,
  addon: NativeAddon,
  options: DmUserOptions,
): Promise<Resumed> {
  const { native, tracePath } = await reopenImage(request, addon, options);
  try {
    const opened = await request.opening;
    if (opened === null) throw new BioscopeError('DISK_FAILED', 'The target is gone.');
    // What was asked before a hand-over may be an old size: the old daemon ended its changes first.
    const size = opened.isOld ? request.size : opened.state.sectors * 512n;
    refuseSmallImage(request, size, native);
    const { route, since } = await serveTarget(
      {
        native,
        fileName: request.image.name,
        readOnly: request.image.readOnly,
        mountDirectory: request.mountDirectory,
        label: request.label,
      },
      options,
      { ...opened, saved: request.saved },
    );
    return { native, route, tracePath, since, notes: [...request.image.notes, ...route.notes] };
  } catch (thrown) {
    await native.close();
    throw thrown;
  }
}

async function reopenImage(
  request: ResumeRequest,
  addon: NativeAddon,
  { log }: DmUserOptions,
): Promise<{ native: NativeDisk; tracePath: string }> {
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
