// The dm-user route on a real kernel, in a virtual machine: the product's command line,
// daemon, engine and helper with the module.
//
//   node test/route/run.mjs [--kernel SERIES | --kernel NAME=DIRECTORY] [SCRIPT...]
//
// It runs what is in dist/ (npm run build). A line for each test, then `N passed, N failed`.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError, UserError, root, run, runMain, say } from '../../scripts/steps.mjs';
import { buildModule } from '../kmod/build.mjs';
import { ensurePackages, findKernel } from '../kmod/kernels.mjs';
import { boot } from '../kmod/rig.mjs';

/** The kernel that people have: Debian 12's newest. */
const usual = '6.12';
const usualScripts = ['whole-path.mjs', 'strangers.mjs', 'ordinary-user.mjs'];
const built = join(root, 'build/route');

const guest = join(root, 'test/route/guest');

const windowScript = 'window.mjs';

/** The Electron that runs here (scripts/electron-runtime.mjs). */
const electron = () =>
  execFileSync(process.execPath, [join(root, 'scripts/electron-runtime.mjs')], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();

/** What narrows a channel down to the first module's rules. */
const seedRules = join(built, 'seed_rules.so');

async function buildSeedRules() {
  const flags = ['-std=gnu17', '-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC'];
  await run('gcc', [...flags, '-o', seedRules, join(guest, 'seed_rules.c'), '-ldl']);
}

/** A word in a bash script. */
export const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** A copy of dist/ for the guest: a build meanwhile must not change what runs there. */
export function copyProduct() {
  const product = join(built, 'dist');
  if (!existsSync(join(root, 'dist/bioscope.node')))
    throw new UserError('dist/ is missing: npm run build');
  rmSync(product, { recursive: true, force: true });
  mkdirSync(built, { recursive: true });
  cpSync(join(root, 'dist'), product, { recursive: true });
  // For Electron, which is given the directory above it.
  cpSync(join(root, 'package.json'), join(built, 'package.json'));
  return product;
}

/** The lines of a script that make the guest ready: kernel modules, and where the product is. */
export function preparation(module, product) {
  return [
    // Requests are made to wait here: that tasks do is no complaint.
    'echo 0 >/proc/sys/kernel/hung_task_timeout_secs',
    'for name in dm-mod loop fuse ext4; do modprobe $name 2>/dev/null; done',
    `insmod ${quote(module)} || { dmesg | tail -20; exit 90; }`,
    `export PRODUCT=${quote(product)}`,
    `export SEED_RULES=${quote(seedRules)}`,
  ];
}

/**
 * Boots `kernel` and runs programs there that print a line for each test; `tell` gets each
 * test's name, result and notes, and at last the guest's.
 */
async function runInGuest(kernel, { scripts, seconds, tell }) {
  const { module } = await buildModule(kernel);
  const product = copyProduct();
  await buildSeedRules();
  let notes = [];
  const onLine = (line) => {
    const result = /^(ok|not ok) - (.*) \(([\d.]+) s\)$/.exec(line);
    if (!result) return void notes.push(line.replace(/^# ?/, ''));
    tell({ name: result[2], ok: result[1] === 'ok', seconds: result[3], notes });
    notes = [];
  };
  const programs = scripts.map((name) => {
    const program = [process.execPath, join(guest, name)].map(quote).join(' ');
    if (name !== windowScript) return program;
    const screen = quote('-screen 0 1600x1000x24');
    return `ELECTRON=${quote(electron())} xvfb-run -a -s ${screen} ${program}`;
  });
  const script = [
    ...preparation(module, product),
    'code=0',
    ...programs.map((program) => `${program} || code=1`),
    'exit $code',
  ].join('\n');
  const out = join(built, `out-${kernel.name}`);
  const result = await boot(kernel, { script, out, seconds, onLine });
  const complaints = result.complaints.slice(0, 20).map((line) => line.trim());
  tell({
    name: 'the guest comes to its end with a clean kernel log',
    ok: result.code !== undefined && result.code < 2 && result.complaints.length === 0,
    seconds: '-',
    stalled: result.late && result.complaints.length === 0,
    notes: [...notes, ...complaints, ...(result.ended ? [result.ended] : [])],
  });
}

/**
 * All of it, as a suite of `npm test`.
 *
 * @param {{ kernel?: string, scripts?: string[] }} options
 * @returns {Promise<import('../../scripts/checks/suites.mjs').Outcome>}
 */
export async function testRoute({ kernel: wanted = usual, scripts = usualScripts } = {}) {
  const outcome = { passed: 0, failed: 0, skips: [], failures: [] };
  const tell = ({ name, ok, seconds, notes, stalled }) => {
    if (stalled) outcome.stalled = true;
    console.log(`${ok ? 'ok' : 'not ok'} - ${name}${seconds === '-' ? '' : ` (${seconds} s)`}`);
    for (const line of notes) console.log(`#   ${line}`);
    if (ok) return void (outcome.passed += 1);
    outcome.failed += 1;
    const repeat = `node test/route/run.mjs --kernel ${wanted}`;
    outcome.failures.push({ text: [name, ...notes].join('\n'), repeat });
  };
  let kernel;
  try {
    await ensurePackages(['rig', 'build', 'tests']);
    kernel = await findKernel(wanted);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    outcome.skips.push({ name: 'the dm-user route', reason: error.message });
    console.log(`skipped - the dm-user route: ${error.message}`);
    return outcome;
  }
  const begun = Date.now();
  say(`the dm-user route on ${kernel.release}`);
  await runInGuest(kernel, { scripts, seconds: 2400, tell });
  say(`${kernel.release}: ${Math.round((Date.now() - begun) / 1000)} s`);
  return outcome;
}

function parse(words) {
  const options = {};
  while (words.length > 0) {
    const word = words.shift();
    if (word === '--kernel' && words.length > 0) options.kernel = words.shift();
    else if (existsSync(join(guest, word))) (options.scripts ??= []).push(word);
    else throw new UsageError(`${word} is neither an option nor a script of test/route/guest`);
  }
  return options;
}

if (process.argv[1] === join(root, 'test/route/run.mjs')) {
  await runMain(async (words) => {
    const { passed, failed, skips } = await testRoute(parse(words));
    const counts = [`${passed} passed`, `${failed} failed`];
    if (skips.length > 0) counts.push(`${skips.length} skipped`);
    console.log(counts.join(', '));
    return failed > 0 || passed === 0 ? 1 : 0;
  });
}
