/**
 * Privileges of a process that is root: the addon's verbs, called in this process.
 * Targets go through the helper here too, which is started without polkit: one
 * program knows how they are named.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { NativeAddon } from '../addon/addon';
import { BioscopeError } from '../contract/errors';
import { HelperClient } from './helper-client';
import { helperTargets } from './helper-targets';
import type { Privileges } from './privileges';

/** The helper of this build: beside the bundle, or beside the packaged app's own binary. */
export function bundledHelper(): string {
  const beside = join(__dirname, 'bioscope-helper');
  return __dirname.includes('app.asar') ? join(__dirname, '../../../bioscope-helper') : beside;
}

export function rootPrivileges(addon: NativeAddon, helper = bundledHelper()): Privileges {
  const client = (group: string) =>
    new HelperClient(addon, () => ({
      program: helper,
      parameters: [group],
      explain: ({ status, words }) =>
        new BioscopeError(
          'PRIVILEGE_MISSING',
          existsSync(helper)
            ? `${helper} ended before it answered (${words === '' ? `status ${status ?? 'unknown'}` : words}).`
            : `${helper} is missing: run \`npm run build\`.`,
          { errno: 'ENOENT' },
        ),
    }));
  return {
    available: true,
    mayAsk: false,
    explanation: 'Images become loop devices over a FUSE file that the engine serves.',
    wayOut: '"bioscope doctor" says what is in the way of a block device.',
    targets: helperTargets({
      module: client('module'),
      targets: client('dm-user'),
      adopt: client('adopt'),
    }),
    mountFuse: (options) => addon.mountFuse(options),
    unmountLazily: (directory) => addon.unmountLazily(directory),
    attachLoop: (options) => addon.attachLoop(options),
    loopStatus: (device) => addon.loopStatus(device),
    detachLoop: (options) => addon.detachLoop(options),
  };
}
