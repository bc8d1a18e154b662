/**
 * Undoes the steps of something that failed half-way, last step first. A step
 * registers how it is undone as soon as it is done.
 */
import type { Log } from './log';

export class Rollback {
  private readonly log: Log;
  private readonly steps: { readonly name: string; readonly undo: () => Promise<void> }[] = [];

  constructor(log: Log) {
    this.log = log;
  }

  add(name: string, undo: () => Promise<void>): void {
    this.steps.push({ name, undo });
  }

  /**
   * Undoes every step. A step that cannot be undone is logged and the rest are
   * still undone: the error that began it all is the one the user must hear.
   */
  async run(): Promise<void> {
    for (let step = this.steps.pop(); step; step = this.steps.pop()) {
      try {
        await step.undo();
      } catch (thrown) {
        this.log(`cannot undo "${step.name}": ${String(thrown)}`);
      }
    }
  }
}

/** Does `work`, all or nothing: where it throws, what it registered is undone first. */
export async function allOrNothing<Result>(
  log: Log,
  work: (rollback: Rollback) => Promise<Result>,
): Promise<Result> {
  const rollback = new Rollback(log);
  try {
    return await work(rollback);
  } catch (thrown) {
    await rollback.run();
    throw thrown;
  }
}
