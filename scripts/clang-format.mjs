// Formats the C and C++ sources with .clang-format.
//
//   node scripts/clang-format.mjs           exit 1 and say where if a file is not formatted
//   node scripts/clang-format.mjs --write   format in place
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { nativeSources } from './checks/sources.mjs';
import { UserError, root, runMain } from './steps.mjs';

await runMain((words) => {
  const { values } = parseArgs({ args: words, options: { write: { type: 'boolean' } } });
  const mode = values.write ? ['-i'] : ['--dry-run', '-Werror'];
  const argv = [...mode, ...nativeSources()];
  const result = spawnSync('clang-format', argv, { cwd: root, stdio: 'inherit' });
  if (result.error) throw new UserError(`clang-format could not be run: ${result.error.message}`);
  return result.status ?? 1;
});
