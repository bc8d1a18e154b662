// Formats the C and C++ sources with .clang-format.
//
//   node scripts/clang-format.mjs           exit 1 and say where if a file is not formatted
//   node scripts/clang-format.mjs --write   format in place
import { spawnSync } from 'node:child_process';
import { nativeSources, root } from './checks/sources.mjs';

const files = nativeSources();
const mode = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '-Werror'];
const result = spawnSync('clang-format', [...mode, ...files], { cwd: root, stdio: 'inherit' });
if (result.error) console.error(`clang-format could not be run: ${result.error.message}`);
process.exit(result.status ?? 1);
