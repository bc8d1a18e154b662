/** Where the module's sources lie: beside the bundles in a checkout, in share/ of the package. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Absolute path of the directory with the module's Makefile; null when they did not come along. */
export function moduleSources(bundles: string = __dirname): string | null {
  const candidates = [
    join(bundles, '../native/kmod'),
    // The bundles are in resources/app.asar/dist.
    join(bundles.replace(/\/resources\/app\.asar\/.*$/, ''), 'share/kmod'),
  ];
  return candidates.find((path) => existsSync(join(path, 'Makefile'))) ?? null;
}
