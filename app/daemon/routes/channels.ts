/** How many channels a dm-user target gets. */

/** Two of the engine's threads serve one: the one that answers, and one for what may wait for the image. */
export const THREADS_PER_CHANNEL = 2;

/** More were never measured to be faster, and what is kept of the past is divided among their threads. */
const MOST_CHANNELS = 2;

/**
 * Where nobody chose: one for every two processors. Under load a channel's thread and whoever
 * submits are busy all the time; two channels on two processors take turns, and small
 * requests get half as far as with one.
 */
export const usualChannels = (processors: number): number =>
  Math.min(MOST_CHANNELS, Math.max(1, Math.floor(processors / 2)));

/** Those that so many of the engine's threads can serve; at least one. */
export const channelsFor = (threads: number): number =>
  Math.max(1, Math.floor(threads / THREADS_PER_CHANNEL));
