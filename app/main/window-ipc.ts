/**
 * The one file of the main process that touches ipcMain: it loops over the
 * contract's channels. Every call's sender is checked, its params are parsed,
 * and what it answers is an Answer value. A channel without a handler does not
 * compile (`WindowHandlers` is a mapped type over the table).
 */
import { ipcMain, type IpcMainInvokeEvent, type MessagePortMain, type WebContents } from 'electron';
import { z } from 'zod';
import { BioscopeError, toErrorValue, type Answer } from '../contract/errors';
import {
  traceChannel,
  windowChannels,
  type WindowChannel,
  type WindowChannels,
  type WindowEvent,
  type WindowEvents,
  type WindowResult,
} from '../contract/window-api';

type Parsed<Channel extends WindowChannel> = z.output<WindowChannels[Channel]['params']>;

export type WindowHandlers = {
  readonly [Channel in WindowChannel]: (
    params: Parsed<Channel>,
    sender: WebContents,
  ) => WindowResult<Channel> | Promise<WindowResult<Channel>>;
};

function isChannel(name: string): name is WindowChannel {
  return name in windowChannels;
}

async function answer<Channel extends WindowChannel>(
  channel: Channel,
  handlers: WindowHandlers,
  event: IpcMainInvokeEvent,
  raw: unknown,
): Promise<Answer<WindowResult<Channel>>> {
  try {
    const parsed = windowChannels[channel].params.safeParse(raw);
    if (!parsed.success) {
      throw new BioscopeError(
        'PROTOCOL',
        `The window's call ${channel} does not fit the contract: ${z.prettifyError(parsed.error)}`,
      );
    }
    const value = await handlers[channel](parsed.data as Parsed<Channel>, event.sender);
    return { ok: true, value };
  } catch (thrown) {
    const error = toErrorValue(thrown);
    if (error.code === 'INTERNAL') console.error(`bioscope: ${channel}:`, thrown);
    return { ok: false, error };
  }
}

/**
 * Serves every channel of the contract, for the life of the process. A call
 * whose sender `isOurs` refuses is rejected: it comes from no page of ours.
 */
export function serveWindow(
  handlers: WindowHandlers,
  isOurs: (event: IpcMainInvokeEvent) => boolean,
): void {
  for (const channel of Object.keys(windowChannels).filter(isChannel)) {
    ipcMain.handle(channel, (event, params: unknown) => {
      if (!isOurs(event)) throw new Error(`${channel}: refused, the sender is not the window`);
      return answer(channel, handlers, event, params);
    });
  }
}

/** Announces something to one window. */
export function announce<Event extends WindowEvent>(
  contents: WebContents,
  event: Event,
  data: WindowEvents[Event],
): void {
  if (!contents.isDestroyed()) contents.send(event, data);
}

/** Gives one window a port to the feed. */
export function sendTracePort(contents: WebContents, port: MessagePortMain): void {
  contents.postMessage(traceChannel, null, [port]);
}
