// The tests of the kernel module, on real kernels in a virtual machine.
//
//   node test/kmod/run.mjs [--long] [--kernel SERIES | --kernel NAME=DIRECTORY]... [TEXT...]
//
// --long     with the cases that take long, and the random ones for longer
// --kernel   instead of Debian's 6.1 and 6.12; a directory holds a kernel of one's own
//            (vmlinuz, headers/ or headers.tar.xz): one with KASAN, lockdep, kmemleak
//            and failslab runs the cases with fault injection too
// TEXT       only the cases whose names contain one of the texts
//
// A line for each test, then `N passed, N failed`. Green needs a clean kernel log.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { UsageError, UserError, root, runMain, say } from '../../scripts/steps.mjs';
import { buildModule, buildPrograms, programs } from './build.mjs';
import { ensurePackages, findKernel, series } from './kernels.mjs';
import { boot, complaint } from './rig.mjs';

/** How much longer everything takes under KASAN and lockdep. */
const debugSlowness = 4;

/** A word in a bash script. */
const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

function hasInjection(kernel) {
  const configuration = join(kernel.headers, 'include/config/auto.conf');
  return /^CONFIG_FAILSLAB=y/m.test(readFileSync(configuration, 'utf8'));
}

/** The blocks of kmemleak's report that have to do with the module. */
function ownLeaks(report) {
  const blocks = report.split(/^(?=unreferenced object)/m).filter((block) => block.trim());
  return { own: blocks.filter((block) => /dm_user|dm-user/.test(block)), all: blocks.length };
}

/** What a guest that stopped said last on its console: why it panicked, where it did. */
function lastWords({ code, dmesg }) {
  if (code !== undefined) return [];
  const lines = stripVTControlCharacters(dmesg).trim().split('\n');
  const words = lines.find((line) => line.includes('Kernel panic')) ?? lines.at(-1);
  return [words || 'nothing on its console'];
}

/**
 * One guest that runs the cases whose names contain one of `texts`, or all.
 *
 * @returns {Promise<{ result: import('./rig.mjs').Boot, failed: { name: string, notes: string[] }[] }>}
 */
async function runCases(kernel, { module, installed }, { long, texts, tell }) {
  const slowness = kernel.debug ? debugSlowness : 1;
  const options = [
    ...(long ? ['--long'] : []),
    ...(hasInjection(kernel) ? ['--injection'] : []),
    ...texts,
  ];
  const cases = join(programs, 'cases');
  const listed = execFileSync(cases, ['--list', ...options], { encoding: 'utf8' });
  const waiting = new Set(listed.split('\n').filter(Boolean));
  if (waiting.size === 0) throw new UsageError(`no case is called ${texts.join(' or ')}`);
  const words = [cases, '--slow', String(slowness), ...options].map(quote).join(' ');
  const failed = [];
  let notes = [];
  const onLine = (line) => {
    const ended = /^(ok|not ok) - (.*) \(([\d.]+) s\)$/.exec(line);
    if (!ended) return void notes.push(line.replace(/^# ?/, ''));
    const [, word, name, seconds] = ended;
    waiting.delete(name);
    if (word === 'ok') tell({ name, ok: true, seconds, notes });
    else failed.push({ name, notes });
    notes = [];
  };
  const result = await boot(kernel, {
    script: [
      'modprobe dm-mod 2>/dev/null',
      `export MODULE=${quote(module)} INSTALLED=${quote(installed)}`,
      'insmod "$MODULE" || { dmesg | tail -20; exit 90; }',
      words,
    ].join('\n'),
    out: join(root, 'build/kmod', `out-${kernel.name}`),
    memory: kernel.debug ? '3G' : '2G',
    seconds: (long ? 3600 : 1200) * slowness * slowness,
    onLine,
  });
  notes.push(...lastWords(result));
  for (const name of waiting) {
    const how =
      result.code === 90 ? 'the module cannot be loaded' : result.ended || 'it did not run';
    failed.push({ name, notes: [...notes, how] });
    notes = [];
  }
  return { result, failed };
}

/**
 * The lines of a kernel's log that are not to be there. While the failslab cases refuse
 * memory, a bare stack is the kernel's way to say whose request that was.
 */
function complaintsOf(log) {
  let name = '';
  return log.split('\n').filter((line) => {
    name = /\btest: (.*)$/.exec(line)?.[1] ?? name;
    const found = complaint.exec(line)?.[0];
    return found && !(found === 'Call Trace' && name.startsWith('failslab'));
  });
}

/** What the kernel itself says at the end of a guest: its log, and kmemleak where it has that. */
function tellOfKernel(kernel, result, tell) {
  const complaints = complaintsOf(result.dmesg);
  tell({
    name: "the kernel's log is clean to the end",
    ofKernel: true,
    ok: result.code !== undefined && complaints.length === 0,
    notes: [...complaints.slice(0, 20), ...(result.ended ? [result.ended] : [])].map((line) =>
      line.trim(),
    ),
  });
  if (!kernel.debug || result.code === undefined) return;
  const { own, all } = ownLeaks(result.kmemleak);
  tell({
    name: 'kmemleak finds nothing of the module',
    ofKernel: true,
    ok: own.length === 0,
    notes: [`${all} objects in all`, ...own.slice(0, 3).flatMap((block) => block.split('\n'))],
  });
}

/**
 * All cases on one kernel; `tell` gets each test's name, result and notes. On Debian's
 * kernels a case that failed gets a second try in a new guest, for a machine that
 * stalled; never where the kernel complained after its start.
 */
async function testKernel(kernel, { long, texts, tell }) {
  const built = await buildModule(kernel);
  let { result, failed } = await runCases(kernel, built, { long, texts, tell });
  const complained = result.complaints.length > 0 && result.stdout !== '';
  if (failed.length > 0 && kernel.tree && !complained) {
    const first = new Map(failed.map(({ name, notes }) => [name, notes]));
    say(`${kernel.name}: ${failed.length} cases failed and get a second try`);
    ({ result, failed } = await runCases(kernel, built, {
      long,
      texts: [...first.keys()],
      tell: (test) => tell({ ...test, unsteady: first.get(test.name) }),
    }));
  }
  for (const { name, notes } of failed) tell({ name, ok: false, notes });
  tellOfKernel(kernel, result, tell);
}

/** The kernels that can be had; what cannot is a skip, unless it was asked for by name. */
async function findKernels(wanted, skips) {
  const found = [];
  for (const name of wanted) {
    try {
      found.push(await findKernel(name));
    } catch (error) {
      // Another Debian has other kernels.
      if (!(error instanceof UserError) || wanted !== series) throw error;
      skips.push({ name: `kernel ${name}`, reason: error.message });
      console.log(`skipped - kernel ${name}: ${error.message}`);
    }
  }
  return found;
}

/**
 * All of it, as a suite of `npm test`: the kernels side by side.
 *
 * @param {{ long?: boolean, kernels?: string[], texts?: string[] }} options
 * @returns {Promise<import('../../scripts/checks/suites.mjs').Outcome>}
 */
export async function testModule({ long = false, kernels = series, texts = [] } = {}) {
  const outcome = { passed: 0, failed: 0, skips: [], unsteady: [], failures: [] };
  const teller = (kernel) => (test) => {
    const { ok, seconds, notes, unsteady } = test;
    const name = `${kernel}: ${test.name}`;
    console.log(`${ok ? 'ok' : 'not ok'} - ${name}${seconds ? ` (${seconds} s)` : ''}`);
    for (const line of notes) console.log(`#   ${line}`);
    if (unsteady) outcome.unsteady.push({ name, reason: unsteady.slice(0, 4).join('; ') });
    if (ok) return void (outcome.passed += 1);
    outcome.failed += 1;
    const words = ['node test/kmod/run.mjs', ...(long ? ['--long'] : []), '--kernel', kernel];
    outcome.failures.push({
      text: [name, ...notes].join('\n'),
      repeat: [...words, ...(test.ofKernel ? [] : [quote(test.name)])].join(' '),
    });
  };
  try {
    await ensurePackages(['rig', 'build', 'tests']);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    outcome.skips.push({ name: 'the kernel module', reason: error.message });
    console.log(`skipped - the kernel module: ${error.message}`);
    return outcome;
  }
  const found = await findKernels(kernels, outcome.skips);
  await buildPrograms();
  await Promise.all(
    found.map(async (kernel) => {
      const begun = Date.now();
      say(`the module's tests on ${kernel.release}`);
      await testKernel(kernel, { long, texts, tell: teller(kernel.name) });
      say(`${kernel.release}: ${Math.round((Date.now() - begun) / 1000)} s`);
    }),
  );
  return outcome;
}

function parse(words) {
  const options = { long: false, kernels: [], texts: [] };
  while (words.length > 0) {
    const word = words.shift();
    if (word === '--long') options.long = true;
    else if (word === '--kernel' && words.length > 0) options.kernels.push(words.shift());
    else if (word.startsWith('--')) throw new UsageError(`unknown option ${word}`);
    else options.texts.push(word);
  }
  return { ...options, kernels: options.kernels.length > 0 ? options.kernels : series };
}

if (process.argv[1] === join(root, 'test/kmod/run.mjs')) {
  await runMain(async (words) => {
    const { passed, failed, skips, unsteady } = await testModule(parse(words));
    const counts = [`${passed} passed`, `${failed} failed`];
    for (const { name, reason } of unsteady)
      console.log(`unsteady, passed at the second try: ${name}: ${reason}`);
    if (skips.length > 0) counts.push(`${skips.length} skipped`);
    console.log(counts.join(', '));
    return failed > 0 || passed === 0 ? 1 : 0;
  });
}
