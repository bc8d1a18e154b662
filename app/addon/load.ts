/** Loads the native addon, once, and says what to do when that fails. */
import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BIOSCOPE_TRACE_VERSION } from '../contract/wire.gen';
import type { NativeAddon } from './addon';

let loaded: NativeAddon | undefined;

/** Where the addon lies: beside the bundle, outside of the archive it may be in. */
export function addonPath(): string {
  // A shared library cannot be loaded from inside an asar archive.
  return (
    process.env['BIOSCOPE_ADDON'] ??
    join(__dirname.replace(/\bapp\.asar(?=[\\/]|$)/, 'app.asar.unpacked'), 'bioscope.node')
  );
}

/** The addon. Throws an Error that says how to build it when it is missing or does not load. */
export function loadAddon(): NativeAddon {
  if (loaded) return loaded;
  const path = addonPath();
  if (!existsSync(path)) {
    throw new Error(`The native part of Bioscope is missing (${path}): run \`npm run build\`.`);
  }
  let addon: NativeAddon;
  try {
    addon = createRequire(path)(path) as NativeAddon;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `The native part of Bioscope cannot be loaded (${reason}): run \`npm run build\`.`,
      { cause: error },
    );
  }
  if (addon.traceVersion !== BIOSCOPE_TRACE_VERSION) {
    throw new Error(
      `The native part of Bioscope is of another version (trace ${addon.traceVersion}, ` +
        `not ${BIOSCOPE_TRACE_VERSION}): run \`npm run build\`.`,
    );
  }
  loaded = addon;
  return addon;
}
