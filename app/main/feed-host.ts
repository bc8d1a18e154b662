/**
 * Runs the feed, the process that reads trace files and posts their records to
 * the windows. When it ends it is started again, and every window gets a new
 * port: its worker then begins anew with the oldest record that is kept.
 */
import {
  MessageChannelMain,
  utilityProcess,
  type UtilityProcess,
  type WebContents,
} from 'electron';
import type { Disk } from '../contract/disk';
import type { FeedCommand } from '../contract/feed';
import { feedReportSchema, type FeedReport } from '../contract/feed-report';
import { sendTracePort } from './window-ipc';

/** Between the end of a feed and the next: doubled each time up to the longest, reset by a minute of life. */
const SHORTEST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;
const HEALTHY_MS = 60_000;

export class FeedHost {
  private readonly script: string;
  private readonly onReport: (report: FeedReport) => void;
  private feed: UtilityProcess | null = null;
  private disks: readonly Disk[] = [];
  private readonly readers = new Set<WebContents>();
  private pause = SHORTEST_PAUSE_MS;
  private isClosed = false;

  /** `script`: absolute path of the bundled feed. Nothing runs before the first `open`. */
  constructor(script: string, onReport: (report: FeedReport) => void) {
    this.script = script;
    this.onReport = onReport;
  }

  /** Which traces are read. */
  follow(disks: readonly Disk[]): void {
    const told = (list: readonly Disk[]) => list.map(({ id, tracePath }) => id + tracePath).join();
    if (told(disks) === told(this.disks)) return;
    this.disks = disks;
    this.tellDisks();
  }

  /** Sends `contents` a fresh port; the one it had ends when its page lets go of it. */
  open(contents: WebContents): void {
    if (!this.readers.has(contents)) {
      this.readers.add(contents);
      contents.once('destroyed', () => this.readers.delete(contents));
    }
    this.feed ??= this.launch();
    this.connect(this.feed, contents);
  }

  close(): void {
    this.isClosed = true;
    this.feed?.kill();
  }

  private launch(): UtilityProcess {
    const feed = utilityProcess.fork(this.script, [], {
      serviceName: 'bioscope-feed',
      stdio: 'inherit',
    });
    feed.on('message', (message: unknown) => this.onReport(feedReportSchema.parse(message)));
    const begun = Date.now();
    feed.once('exit', (code) => {
      this.feed = null;
      if (this.isClosed) return;
      console.error(`bioscope: the feed ended with status ${code}; starting it again`);
      this.pause =
        Date.now() - begun > HEALTHY_MS
          ? SHORTEST_PAUSE_MS
          : Math.min(this.pause * 2, LONGEST_PAUSE_MS);
      setTimeout(() => this.relaunch(), this.pause);
    });
    this.feed = feed;
    this.tellDisks();
    return feed;
  }

  private relaunch(): void {
    if (this.isClosed || this.feed || this.readers.size === 0) return;
    const feed = this.launch();
    for (const contents of this.readers) this.connect(feed, contents);
  }

  private connect(feed: UtilityProcess, contents: WebContents): void {
    const { port1, port2 } = new MessageChannelMain();
    const command: FeedCommand = { type: 'port' };
    feed.postMessage(command, [port1]);
    sendTracePort(contents, port2);
  }

  private tellDisks(): void {
    const command: FeedCommand = {
      type: 'disks',
      disks: this.disks.map(({ id, number, tracePath, state }) => ({
        id,
        number,
        tracePath,
        isCapture: state === 'capture',
      })),
    };
    this.feed?.postMessage(command);
  }
}
