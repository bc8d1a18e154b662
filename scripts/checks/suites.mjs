// The suites of `npm test`. Each returns how many tests passed and failed, which
// were skipped and why, which passed only at the second try; the text of its
// failures; and a command that repeats it.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { testModule } from '../../test/kmod/run.mjs';
import { testRoute } from '../../test/route/run.mjs';
import { runChecks } from '../check.mjs';
import { run } from './run.mjs';
import { root } from './sources.mjs';

/**
 * @typedef {{
 *   passed: number, failed: number,
 *   skips: { name: string, reason: string }[],
 *   unsteady?: { name: string, reason: string }[],
 *   failures: { text: string, repeat: string }[],
 *   stalled?: boolean,
 * }} Outcome
 */

/** What a program that gave no account of itself counts for: one failure. */
function crashed(text, repeat) {
  return { passed: 0, failed: 1, skips: [], failures: [{ text, repeat }] };
}

function sum(outcomes) {
  const total = { passed: 0, failed: 0, skips: [], unsteady: [], failures: [] };
  for (const outcome of outcomes) {
    total.passed += outcome.passed;
    total.failed += outcome.failed;
    total.skips.push(...outcome.skips);
    total.unsteady.push(...(outcome.unsteady ?? []));
    total.failures.push(...outcome.failures);
  }
  return total;
}

/**
 * What failed only for the machine's sake (`stalled`) gets a second try, and is then shown
 * as unsteady.
 */
async function withSecondTry(name, work) {
  const first = await work();
  if (!first.stalled) return first;
  const second = await work();
  const reason = first.failures.map(({ text }) => text).join('\n');
  if (second.failed === 0) (second.unsteady ??= []).push({ name, reason });
  return second;
}

async function check() {
  const results = await runChecks();
  const failed = results.filter(({ ok }) => !ok);
  return {
    passed: results.length - failed.length,
    failed: failed.length,
    skips: [],
    failures: failed.map(({ name, output, repeat }) => ({ text: `${name}\n${output}`, repeat })),
  };
}

/** Runs vitest projects, under Xvfb where `display` is asked for and there is none. */
async function vitest(projects, { display = false, timeoutSeconds, workers }) {
  const directory = mkdtempSync(join(tmpdir(), 'bioscope-test-'));
  const reportPath = join(directory, 'report.json');
  try {
    const argv = [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      ...projects.flatMap((project) => ['--project', project]),
      ...(workers ? [`--maxWorkers=${workers}`] : []),
      '--reporter=default',
      `--reporter=${join(root, 'scripts/checks/vitest-reporter.mjs')}`,
    ];
    const underXvfb = display && !process.env.DISPLAY;
    const command = underXvfb ? 'xvfb-run' : process.execPath;
    const prefix = underXvfb
      ? ['-a', '--server-args=-screen 0 1600x1000x24', process.execPath]
      : [];
    const repeat = `${underXvfb ? 'xvfb-run -a ' : ''}npx vitest run ${projects
      .map((project) => `--project ${project}`)
      .join(' ')}`;
    const result = await run(command, [...prefix, ...argv], {
      env: { BIOSCOPE_TEST_REPORT: reportPath },
      timeoutSeconds,
    });
    let report;
    try {
      report = JSON.parse(readFileSync(reportPath, 'utf8'));
    } catch {
      return crashed(`vitest left no report (${result.status})\n${result.output}`, repeat);
    }
    const { passed, failed, skips, unsteady } = report;
    const failures = failed > 0 ? [{ text: result.output, repeat }] : [];
    if (!result.ok && failed === 0)
      return sum([
        { passed, failed, skips, unsteady, failures },
        crashed(`vitest ended with ${result.status}\n${result.output}`, repeat),
      ]);
    return { passed, failed, skips, unsteady, failures };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The counts in doctest's summaries: several programs, one line each. */
function doctestCounts(output) {
  const line =
    /\[doctest\] test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed\s*\|\s*(\d+) skipped/g;
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const match of output.matchAll(line)) {
    passed += Number(match[2]);
    failed += Number(match[3]);
    skipped += Number(match[4]);
  }
  return { passed, failed, skipped };
}

async function makeTarget(target) {
  const repeat = `make -C test/native ${target}`;
  const result = await run('make', ['-C', 'test/native', '-j2', target], { timeoutSeconds: 1200 });
  const { passed, failed, skipped } = doctestCounts(result.output);
  const skips = Array.from({ length: skipped }, () => ({ name: target, reason: 'doctest' }));
  const lost = result.ok ? passed + failed === 0 : failed === 0;
  if (lost) {
    const text = `${target}: ${passed} tests passed, but make ended with ${result.status}`;
    return sum([
      { passed, failed, skips, failures: [] },
      crashed(`${text}\n${result.output}`, repeat),
    ]);
  }
  const failures = failed > 0 ? [{ text: result.output, repeat }] : [];
  return { passed, failed, skips, failures, stalled: failed > 0 && onDevicesOnly(result.output) };
}

/** Whether all that failed were tests on real mounts and loop devices. */
function onDevicesOnly(output) {
  // doctest shows a test's name above what it has to say of it, be it only a message.
  const blocks = output.split(/^={20,}$/m).filter((block) => /ERROR: /.test(block));
  return blocks.every((block) => /^TEST CASE: +(fuse|loop): /m.test(block));
}

async function native() {
  const outcomes = [];
  for (const target of ['check', 'check-asan', 'check-tsan'])
    outcomes.push(await withSecondTry(target, () => makeTarget(target)));
  return sum(outcomes);
}

/** The helper as pkexec starts it, in a system of its own. */
async function helper() {
  if (process.getuid() === 0) return vitest(['helper'], { timeoutSeconds: 900 });
  const name = 'the helper itself, and with a real polkit';
  const reason = 'needs root: the helper is started as pkexec starts it, and users are made for it';
  return { passed: 0, failed: 0, skips: [{ name, reason }], failures: [] };
}

/** The helper's verbs against hostile requests, for some seconds: one test, and how many it tried. */
async function fuzzHelper() {
  const repeat = 'npm run fuzz:helper';
  const argv = ['-C', 'test/fuzz', 'helper', 'SECONDS=20'];
  const result = await run('make', argv, { timeoutSeconds: 300 });
  const executions = /number_of_executed_units: (\d+)/.exec(result.output)?.[1];
  if (!result.ok || executions === undefined) {
    return crashed(`the fuzzer ended with ${result.status}\n${result.output}`, repeat);
  }
  console.log(`  fuzzer: ${executions} requests, no finding`);
  return { passed: 1, failed: 0, skips: [], failures: [] };
}

/**
 * In the order in which they run.
 *
 * @type {{ name: string, about: string, work: () => Promise<Outcome> }[]}
 */
export const suites = [
  { name: 'check', about: 'types, lint, format, generated files', work: check },
  {
    name: 'unit',
    about: 'TypeScript, without a device or a window',
    work: () =>
      // vitest by itself would leave one processor, of two.
      vitest(['app', 'renderer', 'checks'], {
        timeoutSeconds: 900,
        workers: availableParallelism(),
      }),
  },
  {
    name: 'native',
    about: 'the engine, plain and under the address, undefined and thread sanitizers',
    work: native,
  },
  {
    name: 'block',
    about: 'real block devices',
    work: () => vitest(['block'], { timeoutSeconds: 900 }),
  },
  {
    name: 'helper',
    about: 'the privileged helper, with a real polkit and with hostile requests',
    work: async () => sum([await helper(), await fuzzHelper()]),
  },
  {
    name: 'e2e',
    about: 'the real window',
    work: () => vitest(['e2e'], { display: true, timeoutSeconds: 900 }),
  },
  {
    name: 'package',
    about: 'the packaged app',
    work: () => vitest(['package'], { display: true, timeoutSeconds: 900 }),
  },
  { name: 'kmod', about: 'the kernel module on real kernels', work: () => testModule() },
  {
    name: 'route',
    about: 'the whole app with the module, on a real kernel',
    work: () => withSecondTry('a guest', () => testRoute()),
  },
];
