/** Standard output and error of the command line, and what ends a command early. */
import { setTimeout as sleep } from 'node:timers/promises';

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

  /** Writes lines to standard output; resolves once they are written, or when it all ends. */
  async print(...lines: readonly string[]): Promise<void> {
    if (this.outputGone || lines.length === 0) return;
    const { signal } = this.ending;
    await new Promise<void>((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done);
        resolve();
      };
      signal.addEventListener('abort', done);
      process.stdout.write(`${lines.join('\n')}\n`, done);
    });
  }

  /** A message for people, on standard error. */
  say(message: string): void {
    process.stderr.write(`bioscope: ${message}\n`);
  }
}

/** Waits, in milliseconds, or until the signal is aborted. */
export async function pause(duration: number, signal: AbortSignal): Promise<void> {
  await sleep(duration, undefined, { signal }).catch(() => undefined);
}
