/** What the project's scripts say to `--help`, and to options that they do not know. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Ended {
  readonly status: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

const script = (...words: readonly string[]) =>
  new Promise<Ended>((resolve) => {
    execFile(process.execPath, words, { cwd: root }, (error, stdout, stderr) =>
      resolve({ status: error ? error.code : 0, stdout, stderr }),
    );
  });

/** [the script, a line of its usage]. */
const scripts = [
  ['scripts/start.mjs', 'usage: npm start -- [options] [IMAGE...]'],
  ['scripts/test.mjs', '  npm test -- unit e2e     the suites named'],
  ['scripts/check.mjs', '  node scripts/check.mjs eslint    the steps named'],
  ['scripts/build.mjs', '  node scripts/build.mjs --force        even if nothing changed'],
  ['scripts/generate.mjs', '  node scripts/generate.mjs           write them'],
  ['scripts/bench.mjs', '  npm run bench -- --json FILE        the rows as JSON, too'],
  ['scripts/bench/trace.mjs', '  npm run bench:trace -- --stages ingest,pictures'],
  ['test/kmod/run.mjs', 'TEXT       only the cases whose names contain one of the texts'],
  [
    'test/route/bench.mjs',
    '  node test/route/bench.mjs [--rounds N] [--seconds N] [--kernel SERIES]',
  ],
] as const;

test.each(scripts)('%s --help prints how it is called, and does nothing', async (name, line) => {
  const { status, stdout, stderr } = await script(name, '--help');
  expect(stdout.split('\n')).toContain(line);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

test.each(scripts)('%s says which option it does not know', async (name, line) => {
  const { status, stdout, stderr } = await script(name, '--no-such-option');
  const [first, ...rest] = stderr.split('\n');
  expect(first).toMatch(/^bioscope: .*--no-such-option/);
  expect(rest).toContain(line);
  expect(stderr).not.toMatch(/^ +at /m);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
});

test('what a number should be is said, too', async () => {
  const { status, stderr } = await script('test/route/bench.mjs', '--rounds', 'many');
  expect(stderr).toMatch(/^bioscope: --rounds takes a number above 0\n/);
  expect(status).toBe(2);
});
