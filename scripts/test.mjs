// `npm test`: makes sure of what the tests need, builds, and runs every suite.
//
//   npm test                 all suites
//   npm test -- unit e2e     the suites named
//
// The last line is the sum over all suites: `N passed, N failed`. The exit code
// agrees with it. A suite that crashes, or in which no test ran, is a failure.
// Where CI is set, so is a test that was skipped: CI has what the tests need.
import { runMain, run as runStep, UsageError } from './steps.mjs';
import { ensureSetup } from './setup.mjs';
import { suites } from './checks/suites.mjs';

const inCi = !['', '0', 'false', undefined].includes(process.env.CI);

/** Tests that may be skipped even in CI, by name, and why. None so far. */
const expectedSkips = new Map();

function unexpected(skips) {
  return inCi ? skips.filter(({ name }) => !expectedSkips.has(name)) : [];
}

/** Runs one suite; whatever goes wrong in it becomes a failure that is counted. */
async function runSuite({ name, about, work }) {
  console.log(`\n${name}: ${about}`);
  const began = performance.now();
  let outcome;
  try {
    outcome = await work();
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    outcome = { passed: 0, failed: 1, skips: [], failures: [{ text, repeat: '' }] };
  }
  if (outcome.passed + outcome.failed === 0) {
    outcome.failed = 1;
    outcome.failures.push({ text: 'no test ran in this suite', repeat: '' });
  }
  const refused = unexpected(outcome.skips);
  for (const { name: test, reason } of refused) {
    outcome.failed += 1;
    outcome.failures.push({
      text: `skipped in CI: ${test} (${reason || 'no reason'})`,
      repeat: '',
    });
  }
  outcome.skips = outcome.skips.filter((skip) => !refused.includes(skip));
  const { passed, failed, skips } = outcome;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const words = [`${passed} passed`, `${failed} failed`];
  if (skips.length > 0) words.push(`${skips.length} skipped`);
  console.log(`  ${name}: ${words.join(', ')} in ${seconds} s`);
  for (const skip of skips)
    console.log(`    skipped: ${skip.name}: ${skip.reason || 'no reason given'}`);
  for (const { name: test, reason } of outcome.unsteady ?? [])
    console.log(`    unsteady, passed at the second try: ${test}: ${reason}`);
  for (const { text, repeat } of outcome.failures) {
    console.log(`\n--- ${name} failed ${'-'.repeat(60)}\n${text.trimEnd()}`);
    if (repeat) console.log(`--- repeat with: ${repeat}`);
  }
  return outcome;
}

async function main(wanted) {
  const known = suites.map(({ name }) => name);
  const strange = wanted.filter((name) => !known.includes(name));
  if (strange.length > 0)
    throw new UsageError(`no suite is called ${strange.join(', ')}; there are ${known.join(', ')}`);
  const chosen = suites.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  await ensureSetup({ for: 'test' });
  await runStep(process.execPath, ['scripts/build.mjs'], { show: true, label: 'the build' });
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const suite of chosen) {
    const outcome = await runSuite(suite);
    passed += outcome.passed;
    failed += outcome.failed;
    skipped += outcome.skips.length;
  }
  const words = [`${passed} passed`, `${failed} failed`];
  if (skipped > 0) words.push(`${skipped} skipped`);
  console.log(`\n${words.join(', ')}`);
  return failed > 0 ? 1 : 0;
}

await runMain(main);
