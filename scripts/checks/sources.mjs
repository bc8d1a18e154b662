// Which files of ours the native checks look at.
import { readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Files below `folder` (relative to the root), generated and built ones left out. */
function below(folder) {
  let entries;
  try {
    entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  } catch {
    return [];
  }
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !/(^|\/)(build|node_modules|corpus)\//.test(path))
    .sort();
}

/** Every C and C++ file, headers too: native/, and those of the tests. */
export function nativeSources() {
  return ['native', 'test/native', 'test/bench', 'test/kmod']
    .flatMap(below)
    .filter((path) => /\.(c|cpp|h)$/.test(path));
}

/** What clang-tidy reads: the translation units of the product, not of the tests. */
export function tidySources() {
  return nativeSources().filter((path) =>
    /^native\/(engine|addon|helper)\/.*\.(c|cpp)$/.test(path),
  );
}

/** Plain C that is built with warnings as errors. */
export function plainCSources() {
  return nativeSources().filter((path) => /^(native\/helper|test\/bench)\/.*\.c$/.test(path));
}
