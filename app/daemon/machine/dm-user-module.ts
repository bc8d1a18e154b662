/** Whether this kernel has a dm-user target, or can have one. Looks at files alone. */
import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';

export interface ModuleRoots {
  readonly sys: string;
  readonly proc: string;
  readonly modules: string;
}

const systemRoots: ModuleRoots = {
  sys: '/sys',
  proc: '/proc',
  modules: join('/lib/modules', release()),
};

/** `loaded` or built in, `installed` but not loaded, or `absent`. */
export type ModuleState = 'loaded' | 'installed' | 'absent';

export function moduleState(
  name: 'dm-user' | 'dm-mod',
  roots: ModuleRoots = systemRoots,
): ModuleState {
  if (existsSync(join(roots.sys, 'module', name.replace('-', '_')))) return 'loaded';
  if (name === 'dm-mod' && hasDeviceMapper(roots)) return 'loaded';
  if (lists(join(roots.modules, 'modules.builtin'), name)) return 'loaded';
  return lists(join(roots.modules, 'modules.dep'), name) ? 'installed' : 'absent';
}

/** Device mapper is there, as a module or built in. */
function hasDeviceMapper({ proc }: ModuleRoots): boolean {
  try {
    return /^\s*\d+ device-mapper$/m.test(readFileSync(join(proc, 'misc'), 'utf8'));
  } catch {
    return false;
  }
}

/** What a line begins with; what follows the colon are others that it needs. `modules.dep` and `modules.builtin` name files, e.g. "updates/dkms/dm-user.ko.xz: ...". */
function lists(index: string, name: string): boolean {
  const pattern = new RegExp(
    `^(\\S*/)?${name.replace('-', '[-_]')}\\.ko(\\.(xz|zst|gz))?(:|$)`,
    'm',
  );
  try {
    return pattern.test(readFileSync(index, 'utf8'));
  } catch {
    return false;
  }
}

/** One sentence on why the dm-user route cannot even be tried here; null when it can. */
export function dmUserObstacle(roots: ModuleRoots = systemRoots): string | null {
  if (moduleState('dm-mod', roots) === 'absent') return 'This kernel has no device mapper.';
  if (moduleState('dm-user', roots) === 'absent')
    return 'The dm-user module is not installed for this kernel.';
  return null;
}
