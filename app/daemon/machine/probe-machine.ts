/**
 * What works on this machine and what is in the way: `bioscope doctor` and the
 * window's panel. Looks at files and asks nobody for a password.
 */
import { accessSync, constants, existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { delimiter, join } from 'node:path';
import type { NativeAddon } from '../../addon/addon';
import type { RouteName } from '../../contract/disk';
import type { Machine, MachineCheck, MachineRoute } from '../../contract/machine';
import { shellWord } from '../../contract/shell-word';
import { findAgent, findInstallation } from '../../privileged/installation';
import type { Privileges } from '../../privileged/privileges';
import { dmUserObstacle, moduleState } from './dm-user-module';
import { moduleSources } from './module-sources';
import { orphanChecks } from './orphaned-targets';
import { channelsCheck, memoryCheck } from './serving-checks';

/** What the package or the checkout has to build the module from; kernels before this one lack what it needs. */
const OLDEST_KERNEL = [6, 1] as const;

const both: readonly RouteName[] = ['fuse-loop', 'dm-user'];

/** The routes, the preferred one first. */
export function machineRoutes(privileges: Privileges): readonly MachineRoute[] {
  const obstacle = dmUserObstacle();
  const problem = fuseProblem(privileges);
  const isTargets = privileges.targets !== null;
  const dmUser = obstacle === null && isTargets;
  return [
    {
      name: 'dm-user',
      available: dmUser,
      preferred: dmUser,
      explanation: dmUser
        ? 'Images become device-mapper targets: every operation and flag is seen, and disks survive the death of the daemon.'
        : (obstacle ?? 'It needs root, or Bioscope’s helper, to make device-mapper targets.'),
    },
    {
      name: 'fuse-loop',
      available: problem === null,
      preferred: problem === null && !dmUser,
      explanation: problem?.detail ?? privileges.explanation,
    },
  ];
}

/** What this daemon knows of its own. */
export interface OwnFacts {
  /** Channels that a dm-user target gets. */
  readonly channels: number;
  /** Tags of the dm-user targets of its disks. */
  readonly known: ReadonlySet<string>;
}

export async function probeMachine(
  privileges: Privileges,
  addon: NativeAddon,
  { channels, known }: OwnFacts,
): Promise<Machine> {
  return {
    kernel: release(),
    architecture: process.arch,
    routes: machineRoutes(privileges),
    checks: [
      kernelCheck(),
      deviceMapperCheck(),
      moduleCheck(),
      dmsetupCheck(),
      fuseCheck(privileges),
      loopCheck(),
      ...userChecks(),
      channelsCheck(channels),
      memoryCheck(addon),
      ...(await orphanChecks(known)),
    ],
  };
}

function kernelCheck(): MachineCheck {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_KERNEL;
  const recent = major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
  return {
    id: 'kernel',
    title: 'The kernel',
    finding: recent ? 'ok' : 'advice',
    detail: recent
      ? `Linux ${release()} on ${process.arch}.`
      : `Linux ${release()} on ${process.arch} is older than ${OLDEST_KERNEL.join('.')}, the oldest that the dm-user module builds for; fuse-loop works.`,
    remedy: [],
    routes: ['dm-user'],
  };
}

function deviceMapperCheck(): MachineCheck {
  const isAbsent = moduleState('dm-mod') === 'absent';
  const modules = join('/lib/modules', release());
  // After an update they are often those of the next kernel, which runs from the next start on.
  const where = existsSync(modules) ? '' : ` There is no ${modules}, where its modules would be.`;
  return {
    id: 'device-mapper',
    title: 'Device mapper',
    finding: isAbsent ? 'missing' : 'ok',
    detail: isAbsent
      ? `This kernel has no device mapper (CONFIG_BLK_DEV_DM): another kernel is needed for the dm-user route.${where}`
      : 'The kernel has it.',
    remedy: [],
    routes: ['dm-user'],
  };
}

function moduleCheck(): MachineCheck {
  const state = moduleState('dm-user');
  const about = { id: 'dm-user-module', title: 'The dm-user module', routes: ['dm-user'] } as const;
  if (state !== 'absent') {
    const detail = state === 'loaded' ? 'It is loaded.' : 'It is installed and loaded when needed.';
    return { ...about, finding: 'ok', detail, remedy: [] };
  }
  if (moduleState('dm-mod') === 'absent') {
    const detail = `It is not installed for ${release()}, which could not load it: it has no device mapper.`;
    return { ...about, finding: 'missing', detail, remedy: [] };
  }
  const headers = existsSync(join('/lib/modules', release(), 'build'));
  const sources = moduleSources();
  const packages = [
    ...(isProgram('make') ? [] : ['make']),
    ...(isProgram('dkms') ? [] : ['dkms']),
    ...(headers ? [] : [`linux-headers-${release()}`]),
  ];
  const install = packages.length > 0 ? [`sudo apt-get install --yes ${packages.join(' ')}`] : [];
  return {
    ...about,
    finding: 'missing',
    detail: `It is not installed for ${release()}. DKMS builds it from the sources that come with Bioscope, now and after every update of the kernel.`,
    remedy:
      sources === null
        ? []
        : [...install, `sudo make -C ${shellWord(sources)} dkms-install`, 'sudo modprobe dm-user'],
  };
}

function dmsetupCheck(): MachineCheck {
  const found = isProgram('dmsetup');
  return {
    id: 'dmsetup',
    title: 'dmsetup',
    finding: found ? 'ok' : 'missing',
    detail: found ? 'It is installed.' : 'Targets are made with it, and it is not installed.',
    remedy: found ? [] : ['sudo apt-get install --yes dmsetup'],
    routes: ['dm-user'],
  };
}

/** What is in the way of fuse-loop, and what mends it; null when nothing is. */
export function fuseProblem(
  privileges: Privileges,
  { device, path }: { readonly device: string; readonly path: string } = {
    device: '/dev/fuse',
    path: process.env['PATH'] ?? '',
  },
): { readonly detail: string; readonly remedy: readonly string[] } | null {
  if (!existsSync(device)) {
    return {
      detail: `There is no ${device}: this kernel has no FUSE, or it is not loaded.`,
      remedy: ['sudo modprobe fuse'],
    };
  }
  // The helper opens it, and mounts, for those who may not.
  if (privileges.available) return null;
  if (!canOpen(device)) {
    return {
      detail: `This user may not open ${device}; udev makes it open to all.`,
      remedy: [`sudo chmod 0666 ${device}`],
    };
  }
  if (isProgram('fusermount3', path)) return null;
  return {
    detail: 'fusermount3, with which an ordinary user mounts, is not installed.',
    remedy: ['sudo apt-get install --yes fuse3'],
  };
}

function fuseCheck(privileges: Privileges): MachineCheck {
  const problem = fuseProblem(privileges);
  return {
    id: 'fuse',
    title: 'FUSE',
    finding: problem === null ? 'ok' : 'missing',
    detail: problem?.detail ?? 'It is there and can be used.',
    remedy: problem?.remedy ?? [],
    routes: ['fuse-loop'],
  };
}

function loopCheck(): MachineCheck {
  const found = existsSync('/dev/loop-control');
  return {
    id: 'loop',
    title: 'Loop devices',
    finding: found ? 'ok' : 'missing',
    detail: found
      ? '/dev/loop-control is there.'
      : 'There is no /dev/loop-control: without it fuse-loop gives a file, not a device.',
    remedy: found ? [] : ['sudo modprobe loop'],
    routes: ['fuse-loop'],
  };
}

/** How an ordinary user gets what needs root. */
function userChecks(): readonly MachineCheck[] {
  const powers = { id: 'privileges', title: 'Powers', routes: both } as const;
  if (isRoot()) {
    return [{ ...powers, finding: 'ok', detail: 'Bioscope runs as root.', remedy: [] }];
  }
  const { problem, explanation, remedy } = findInstallation();
  const helper: MachineCheck = {
    ...powers,
    finding: problem === null ? 'ok' : 'missing',
    detail: explanation,
    remedy: [...remedy],
  };
  return problem === null ? [helper, agentCheck()] : [helper];
}

/** Without an agent polkit can ask nobody, and what no rule allows is refused. */
function agentCheck(): MachineCheck {
  const agent = findAgent(processes());
  return {
    id: 'polkit-agent',
    title: 'The polkit agent',
    finding: agent === null ? 'advice' : 'ok',
    detail:
      agent === null
        ? 'No program that shows polkit’s questions is known to run for this user: a password cannot be asked for, unless the desktop has an agent of another name, or a rule allows it without. In a terminal of its own, which has to stay open, pkttyagent is one for this daemon, which runs as long as a disk is attached or a window open.'
        : `${agent} runs: a password is asked for once.`,
    remedy: agent === null ? [`pkttyagent --process ${process.pid}`] : [],
    routes: both,
  };
}

function* processes(): Generator<{ readonly name: string; readonly uid: number }> {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const name = readFileSync(join('/proc', pid, 'comm'), 'utf8').trim();
      yield { name, uid: statSync(join('/proc', pid)).uid };
    } catch {
      // It has just ended.
    }
  }
}

const isRoot = () => process.getuid?.() === 0;

/** Whether a program is installed, also where only root's PATH has it. */
function isProgram(name: string, path = process.env['PATH'] ?? ''): boolean {
  return `${path}${delimiter}/usr/sbin${delimiter}/sbin`.split(delimiter).some((directory) => {
    try {
      accessSync(join(directory || '.', name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function canOpen(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
