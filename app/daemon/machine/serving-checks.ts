/** How dm-user disks are served here, for `bioscope doctor` and the window's panel. */
import { availableParallelism } from 'node:os';
import type { NativeAddon } from '../../addon/addon';
import type { MachineCheck } from '../../contract/machine';
import { usualChannels } from '../routes/channels';

/** How many channels serve a target, and why so many. `processors`: those that this process may run on. */
export function channelsCheck(channels: number, processors = availableParallelism()): MachineCheck {
  const usual = usualChannels(processors);
  const gets = (count: number) => (count === 1 ? '1 channel' : `${count} channels`);
  const why =
    channels === usual
      ? 'a channel’s thread and the program whose requests it serves keep a processor busy each. BIOSCOPE_THREADS in the daemon’s environment asks for another number, two threads a channel.'
      : `BIOSCOPE_THREADS says so, or there were other processors when the daemon started. By themselves these make it ${gets(usual)}.`;
  return {
    id: 'channels',
    title: 'Channels',
    finding: 'ok',
    detail: `A disk gets ${gets(channels)} on the ${processors} ${processors === 1 ? 'processor' : 'processors'} that Bioscope may run on: ${why} A disk that is gone on with keeps as many as its trace has threads for.`,
    remedy: [],
    routes: ['dm-user'],
  };
}

/** What the threads that serve I/O could not be promised, as far as they have run. */
export function memoryCheck(addon: NativeAddon): MachineCheck {
  const { ioFlusher, locked } = addon.memoryPromise();
  const about = {
    id: 'memory',
    title: 'Serving when memory is short',
    routes: ['dm-user'],
  } as const;
  if (ioFlusher === null && locked === null) {
    return {
      ...about,
      finding: 'ok',
      detail:
        'In this daemon nothing stood in the way so far of locking what serves dm-user disks into memory, and of making its threads I/O flushers.',
      remedy: [],
    };
  }
  const parts = [
    ...(locked === null ? [] : [`not all of what serves disks could be locked (${locked})`]),
    ...(ioFlusher === null ? [] : [`its threads are no I/O flushers (${ioFlusher})`]),
  ];
  return {
    ...about,
    finding: 'advice',
    detail: `In this process ${parts.join(', and ')}: do not put swap, or the files that Bioscope itself runs from, on a disk that it serves.`,
    // A shell's own ulimit may not pass the hard limit, and a daemon has that of who started it.
    remedy:
      locked === null
        ? []
        : ['sudo prlimit --pid $$ --memlock=unlimited', 'bioscope daemon restart'],
  };
}
