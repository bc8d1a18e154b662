// `npm run check`: everything that can be said about the sources without running
// the product. One line a step; the output of a step only when it fails.
//
//   node scripts/check.mjs           all steps
//   node scripts/check.mjs eslint    the steps named
//
// npm test runs the same steps and counts each as one test.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './checks/run.mjs';
import { nativeSources, plainCSources, root, tidySources } from './checks/sources.mjs';
import { UsageError, runMain } from './steps.mjs';

const bin = (name) => join(root, 'node_modules/.bin', name);

async function packageFlags(...names) {
  const result = await run('pkg-config', ['--cflags', ...names]);
  return result.ok ? result.output.trim().split(/\s+/).filter(Boolean) : [];
}

/** Compiler flags for clang-tidy, by language. */
async function tidyFlags(path) {
  const common = ['-Inative', '-D_FILE_OFFSET_BITS=64'];
  if (path.endsWith('.c')) return [...common, '-std=gnu17'];
  const addon = [
    '-Inode_modules/node-addon-api',
    `-isystem${join(dirname(dirname(process.execPath)), 'include/node')}`,
    '-DNAPI_VERSION=8',
  ];
  return [...common, ...addon, '-std=c++20', ...(await packageFlags('fuse3'))];
}

/**
 * clang-tidy over each file, two at a time. A file that came out clean is not
 * read again until it, a header, the configuration or this script changes.
 */
async function clangTidy() {
  const files = tidySources();
  if (files.length === 0) return { ok: false, output: 'no C++ files were found' };
  const shared = createHash('sha256');
  const configuration = ['.clang-tidy', 'scripts/check.mjs'];
  for (const path of [...configuration, ...nativeSources().filter((name) => name.endsWith('.h'))])
    shared.update(path).update(readFileSync(join(root, path)));
  const base = shared.digest('hex');
  const cache = join(root, 'node_modules/.cache/bioscope-clang-tidy');
  mkdirSync(cache, { recursive: true });
  const waiting = files.slice();
  const failures = [];
  const worker = async () => {
    for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
      const key = createHash('sha256')
        .update(base + path)
        .update(readFileSync(join(root, path)))
        .digest('hex');
      if (existsSync(join(cache, key))) continue;
      const result = await run('clang-tidy', ['--quiet', path, '--', ...(await tidyFlags(path))]);
      if (result.ok) writeFileSync(join(cache, key), '');
      else failures.push(result.output);
    }
  };
  await Promise.all([worker(), worker()]);
  return { ok: failures.length === 0, output: failures.join('\n') };
}

/** Plain C with every warning an error; only the syntax, nothing is built. */
async function warningFreeC() {
  const files = plainCSources();
  if (files.length === 0) return { ok: true, output: '' };
  const flags = ['-std=gnu17', '-Wall', '-Wextra', '-Werror', '-fsyntax-only'];
  return run('gcc', [...flags, '-Inative', ...files]);
}

const typescript = (project) => run(bin('tsc'), ['--pretty', 'false', '-p', project]);
const node = (...argv) => run(process.execPath, argv);

/** Name and what it does. The one that takes longest begins, beside the others. */
const steps = [
  { name: 'eslint', work: () => run(bin('eslint'), ['--max-warnings', '0', '.']) },
  { name: 'generated files', work: () => node('scripts/generate.mjs', '--check') },
  { name: 'tsc app', work: () => typescript('app/tsconfig.json') },
  { name: 'tsc renderer', work: () => typescript('renderer/tsconfig.json') },
  { name: 'tsc test', work: () => typescript('test/tsconfig.json') },
  { name: 'prettier', work: () => run(bin('prettier'), ['--check', '--log-level', 'warn', '.']) },
  { name: 'clang-format', work: () => node('scripts/clang-format.mjs') },
  { name: 'warnings in C', work: warningFreeC },
  { name: 'clang-tidy', work: clangTidy },
];

/**
 * Runs the steps whose name contains one of `wanted` (all, if it is empty), two at a
 * time: nearly all of them use one processor. Each is printed as it ends.
 *
 * @param {string[]} wanted
 * @returns {Promise<{ name: string, ok: boolean, output: string, repeat: string }[]>}
 */
export async function runChecks(wanted = []) {
  const chosen = steps.filter(
    ({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)),
  );
  const waiting = chosen.slice();
  const results = [];
  const worker = async () => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      const { name, work } = step;
      const began = performance.now();
      const { ok, output } = await work();
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      console.log(`  ${ok ? 'ok    ' : 'FAILED'} ${name.padEnd(18)} ${seconds.padStart(6)} s`);
      if (!ok) console.log(output.trimEnd().replace(/^/gm, '         '));
      results.push({ name, ok, output, repeat: `npm run check -- '${name}'` });
    }
  };
  await Promise.all([worker(), worker()]);
  return results;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runMain(async (words) => {
    const names = steps.map(({ name }) => name);
    const strange = words.filter((word) => !names.some((name) => name.includes(word)));
    if (strange.length > 0)
      throw new UsageError(
        `no step is called ${strange.join(', ')}; there are ${names.join(', ')}`,
      );
    const results = await runChecks(words);
    const failed = results.filter(({ ok }) => !ok);
    for (const { repeat } of failed) console.log(`  repeat with: ${repeat}`);
    console.log(`${results.length - failed.length} passed, ${failed.length} failed`);
    return failed.length > 0 ? 1 : 0;
  });
}
