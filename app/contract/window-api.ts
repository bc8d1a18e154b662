/**
 * What the window may ask of the main process: one row a channel. The preload
 * loops over this table and exposes it as `window.bioscope` (WindowBridge).
 * The renderer names images and disks, never a privileged thing.
 */
import { z } from './schema';
import {
  daemonInfoSchema,
  daemonMethods,
  type DaemonEventData,
  type DaemonInfo,
} from './daemon-api';
import { exportFormatNames, type ExportStanding } from './capture';
import { diskSchema, type Disk } from './disk';
import type { Answer, ErrorValue } from './errors';
import { diskIdSchema } from './units';

const nothing = z.object({});
/** Absolute: what a dialog of ours answered. */
const path = z.string().min(1).max(4095).startsWith('/');

export const windowChannels = {
  'disks.attach': daemonMethods['disks.attach'],
  'disks.detach': daemonMethods['disks.detach'],
  'disks.dismiss': daemonMethods['disks.dismiss'],
  'disks.abort': daemonMethods['disks.abort'],
  'disks.resize': daemonMethods['disks.resize'],
  'machine.probe': daemonMethods['machine.probe'],
  'payload.read': daemonMethods['payload.read'],
  'image.read': daemonMethods['image.read'],
  /** The native file picker; the paths chosen, none if dismissed. */
  'images.choose': { params: nothing, result: z.object({ paths: z.array(z.string()) }) },
  /** The native file picker for captures, and opening one: like a disk it is then in the state. */
  'captures.choose': { params: nothing, result: z.object({ paths: z.array(z.string()) }) },
  'captures.open': { params: z.object({ path }), result: diskSchema },
  /** The native dialog for a file to be made; null if dismissed. What is there may be replaced: it asked. */
  'captures.place': {
    params: z.object({
      name: z.string().max(255),
      purpose: z.enum(['record', 'export']).default('record'),
    }),
    result: z.object({ path: z.string().nullable() }),
  },
  /**
   * Writes an open capture in another program's format. What is at `path` gives way if
   * the dialog of 'captures.place' has answered it, once for each answer; so it is with
   * 'recordings.start'. Answers when that is done: with where it is (null: it was called
   * off) and remarks.
   */
  'captures.export': {
    params: z.object({ disk: diskIdSchema, format: z.enum(exportFormatNames), path }),
    result: z.object({ path: z.string().nullable(), remarks: z.array(z.string()) }),
  },
  /** Calls the export of a capture off; nothing is left of it. */
  'captures.stop-export': { params: z.object({ disk: diskIdSchema }), result: nothing },
  'recordings.start': daemonMethods['recordings.start'],
  'recordings.stop': daemonMethods['recordings.stop'],
  'recordings.list': daemonMethods['recordings.list'],
  /** Start the daemon if it does not run, and say who it is. */
  'daemon.start': { params: nothing, result: daemonInfoSchema },
  'clipboard.write': { params: z.object({ text: z.string().max(8 << 20) }), result: nothing },
  /** Ask main for a fresh MessagePort to the feed; it arrives as a window message (`traceChannel`). */
  'trace.open': { params: nothing, result: nothing },
  /** Current daemon state and disks, for a window that has just opened. */
  'state.get': {
    params: nothing,
    result: z.custom<WindowState>((value) => typeof value === 'object' && value !== null),
  },
} as const;

export type WindowChannels = typeof windowChannels;
export type WindowChannel = keyof WindowChannels;
export type WindowParams<Channel extends WindowChannel> = z.input<
  WindowChannels[Channel]['params']
>;
export type WindowResult<Channel extends WindowChannel> = z.infer<
  WindowChannels[Channel]['result']
>;

/** The daemon as the main process sees it. */
export type DaemonState =
  | { readonly phase: 'starting' }
  | { readonly phase: 'running'; readonly info: DaemonInfo }
  /** It ended although nobody asked; the disks in WindowState are then all `failed`. */
  | { readonly phase: 'lost'; readonly error: ErrorValue };

export interface WindowState {
  readonly daemon: DaemonState;
  readonly disks: readonly Disk[];
}

/** Commands of the application menu that the renderer carries out. */
export const menuCommands = [
  'attach',
  'open-capture',
  'export',
  'detach',
  'pause',
  'clear',
  'focus-filter',
  'toggle-disks',
  'toggle-inspector',
] as const;
export type MenuCommand = (typeof menuCommands)[number];

/** Events from main to the window. */
export interface WindowEvents {
  state: WindowState;
  statistics: DaemonEventData<'statistics'>;
  recordings: DaemonEventData<'recordings'>;
  /** All exports that go on. */
  exports: readonly ExportStanding[];
  /** Attaching that was asked for outside the window (command line) failed. */
  problem: { readonly subject: string; readonly error: ErrorValue };
  menu: MenuCommand;
}
export type WindowEvent = keyof WindowEvents;
export const windowEvents = [
  'state',
  'statistics',
  'recordings',
  'exports',
  'problem',
  'menu',
] as const satisfies readonly WindowEvent[];

/** The data of the window message that carries the trace port in `ports[0]`. */
export const traceChannel = 'bioscope:trace-port';

/** `window.bioscope`: all that the renderer has of the outside. */
export interface WindowBridge {
  invoke<Channel extends WindowChannel>(
    channel: Channel,
    params: WindowParams<Channel>,
  ): Promise<Answer<WindowResult<Channel>>>;
  /** Returns what ends the subscription. */
  on<Event extends WindowEvent>(
    event: Event,
    listener: (data: WindowEvents[Event]) => void,
  ): () => void;
  /** The path of a file that was dropped on the window; '' if it has none. */
  pathForFile(file: File): string;
  readonly platform: { readonly electron: string; readonly kernel: string };
}
