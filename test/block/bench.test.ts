/** The benchmark runs and counts; how fast it is, is no matter of right and wrong. */
import { expect, test } from 'vitest';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command } from '../support/commands';

const script = fileURLToPath(new URL('../../scripts/bench.mjs', import.meta.url));

interface Row {
  readonly what: string;
  readonly ratio: number;
  readonly pairs: number;
  readonly goal: string;
}

test('npm run bench -- channel prints a ratio with its goal and its A/A row for every cell', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'bioscope-bench-test-'));
  try {
    const json = join(directory, 'rows.json');
    const options = ['--rounds', '1', '--milliseconds', '20', '--json', json];
    const output = await command(process.execPath, script, 'channel', ...options);
    const rows = JSON.parse(readFileSync(json, 'utf8')) as Row[];
    for (const cell of ['socket, 4 KiB read', 'pipe, 4 KiB read', 'socket, 4 KiB write']) {
      const goal = rows.find(({ what, goal }) => what.startsWith(`${cell}, 32`) && goal !== '');
      expect(goal?.goal).toBe('≥ 0.75');
      expect(goal?.ratio).toBeGreaterThan(0);
      expect(goal?.pairs).toBe(1);
      expect(rows.some(({ what }) => what === `${cell}, 32 in flight (A/A)`)).toBe(true);
    }
    expect(output).toContain('medians of 1 adjacent pairs');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}, 300_000);
