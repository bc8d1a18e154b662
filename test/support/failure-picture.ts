/** A picture of the window for each test that fails, in test-results/. */
import { afterEach } from 'vitest';
import type { Desktop } from './desktop';

/** Call inside `describe`. `desktop` gives the window, or null when there is none. */
export function pictureOnFailure(desktop: () => Desktop | null): void {
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return;
    const name = task.name.replace(/[^a-z0-9]+/gi, '-').slice(0, 60);
    await desktop()
      ?.picture(`failed-${name}`)
      .catch(() => undefined); // the window may be what failed
  });
}
