/** Privileges of a process that is root: the addon's verbs, called in this process. */
import type { NativeAddon } from '../addon/addon';
import type { Privileges } from './privileges';

export function rootPrivileges(addon: NativeAddon): Privileges {
  return {
    available: true,
    targets: null,
    explanation: 'Images become loop devices over a FUSE file that the engine serves.',
    mountFuse: (options) => addon.mountFuse(options),
    unmountLazily: (directory) => addon.unmountLazily(directory),
    attachLoop: (options) => addon.attachLoop(options),
    loopStatus: (device) => addon.loopStatus(device),
    detachLoop: (options) => addon.detachLoop(options),
  };
}
