// The structures of the inspector under a mutator: `npm run fuzz:structures -- --seconds 60 --seed 1`.
// Prints executions and the slowest one; an input that breaks a rule is written to build/fuzz.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { root, runMain } from '../../scripts/steps.mjs';

const folder = join(root, 'build/fuzz');
await runMain(async (words) => {
  const { values } = parseArgs({
    args: words,
    options: { seconds: { type: 'string' }, seed: { type: 'string' }, replay: { type: 'string' } },
  });
  mkdirSync(folder, { recursive: true });
  const outfile = join(folder, 'structures.mjs');
  await build({
    entryPoints: [join(import.meta.dirname, 'structures.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
    logLevel: 'error',
  });
  const { fuzz, replay } = await import(pathToFileURL(outfile).href);
  if (values.replay !== undefined) {
    await replay(values.replay);
    return 0;
  }
  const isClean = await fuzz({
    seconds: Number(values.seconds ?? 60),
    seed: Number(values.seed ?? Date.now() % 1_000_000),
    folder,
  });
  return isClean ? 0 : 1;
});
