/** Standard output and error of the command line, and what ends a command early. */
import { once } from 'node:events';

export class Terminal {
  private readonly ending = new AbortController();
  private outputGone = false;

  constructor() {
    // A reader that went away (`| head`) is no error: what there was to say has been said.
    process.stdout.on('error', () => {
      this.outputGone = true;
      this.ending.abort();
    });
    process.stderr.on('error', () => undefined);
  }

  /** Aborted when the reader of our output has gone, or by a signal after `endOnSignals`. */
  get end(): AbortSignal {
    return this.ending.signal;
  }

  /**
   * From now on Ctrl-C, SIGTERM and a closed terminal abort `end`, and the
   * command ends by itself and cleans up; more of them change nothing.
   */
  endOnSignals(): void {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => this.ending.abort());
    }
  }

  /** Writes lines to standard output; resolves when there is room for more. */
  async print(...lines: readonly string[]): Promise<void> {
    if (this.outputGone || lines.length === 0) return;
    if (process.stdout.write(`${lines.join('\n')}\n`)) return;
    await Promise.race([
      once(process.stdout, 'drain').catch(() => undefined),
      once(process.stdout, 'close').catch(() => undefined),
      aborted(this.ending.signal),
    ]);
  }

  /** A message for people, on standard error. */
  say(message: string): void {
    process.stderr.write(`bioscope: ${message}\n`);
  }
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
