/**
 * Where the helper is installed, and whether it may be trusted. The policy says
 * where: polkit allows one path and no other.
 */
import { accessSync, constants, existsSync, lstatSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { shellWord } from '../contract/shell-word';

/** Where polkit looks for policies; the first two only from version 124 on. */
const policyDirectories = [
  '/etc/polkit-1/actions',
  '/usr/local/share/polkit-1/actions',
  '/usr/share/polkit-1/actions',
];
const policyName = 'dev.bioscope.helper.policy';
const pkexecPaths = ['/usr/bin/pkexec', '/bin/pkexec', '/run/wrappers/bin/pkexec'];
/** As the terminal shows them; dialogs have names of their own for the same. */
const agentNames =
  /^(polkit-gnome-au|polkit-kde-auth|polkit-mate-aut|polkit-agent-he|lxpolkit|lxqt-policykit|xfce-polkit|gnome-shell|cinnamon|mate-polkit|pkttyagent|ukui-polkit|hyprpolkitagen|soteria|budgie-polkit|deepin-polkit|phosh)/;

export type HelperProblem =
  'pkexec-missing' | 'policy-missing' | 'helper-missing' | 'helper-untrusted';

export interface HelperInstallation {
  /** What is in the way, or null when it can be started. */
  readonly problem: HelperProblem | null;
  /** One or two plain sentences: what is in the way, or that nothing is. */
  readonly explanation: string;
  /** Commands that mend it, to be copied; none when nothing is in the way. */
  readonly remedy: readonly string[];
  readonly pkexec: string | null;
  readonly helper: string | null;
}

/** The command that installs the helper from this checkout or package. */
export function installCommand(): string {
  const beside = __dirname.replace(/\bapp\.asar(?=[\\/]|$)/, 'app.asar.unpacked');
  const candidates = [
    join(beside, '../assets/install-helper'),
    join(beside, '../../../install-helper'),
  ];
  const script = candidates.find((path) => existsSync(path)) ?? 'assets/install-helper';
  return `sudo sh ${shellWord(script)}`;
}

/** Looks at files alone, asks nobody for a password. */
export function findInstallation(): HelperInstallation {
  const pkexec = pkexecPaths.find(isExecutable) ?? null;
  const helper = helperOfPolicy();
  const found = { pkexec, helper };
  if (pkexec === null) {
    return {
      ...found,
      problem: 'pkexec-missing',
      explanation: 'pkexec is not installed, which asks for the password for what needs root.',
      remedy: ['sudo apt-get install --yes pkexec polkitd', installCommand()],
    };
  }
  if (helper === null) {
    return {
      ...found,
      problem: 'policy-missing',
      explanation:
        'Bioscope’s helper for what needs root is not installed: polkit has no policy for it.',
      remedy: [installCommand()],
    };
  }
  if (!isExecutable(helper)) {
    return {
      ...found,
      problem: 'helper-missing',
      explanation: `polkit has a policy for ${helper}, but that program is not there.`,
      remedy: [installCommand()],
    };
  }
  const weak = untrusted(helper);
  if (weak !== null) {
    return {
      ...found,
      problem: 'helper-untrusted',
      explanation: `${weak} can be changed by others than root: whatever they put there would run as root.`,
      remedy: [installCommand()],
    };
  }
  return {
    ...found,
    problem: null,
    explanation: 'The helper for what needs root is installed; a password is asked for once.',
    remedy: [],
  };
}

/** The name of an agent that runs for this user, which shows polkit's questions; null when none is known to. */
export function findAgent(
  processes: Iterable<{ readonly name: string; readonly uid: number }>,
): string | null {
  const uid = process.getuid?.() ?? 0;
  for (const { name, uid: owner } of processes) {
    if (owner === uid && agentNames.test(name)) return name;
  }
  return null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function helperOfPolicy(): string | null {
  for (const directory of policyDirectories) {
    try {
      const policy = readFileSync(join(directory, policyName), 'utf8');
      const path = /key="org\.freedesktop\.policykit\.exec\.path">(\/[^<]+)</.exec(policy)?.[1];
      if (path !== undefined) return path;
    } catch {
      // Not there: the next.
    }
  }
  return null;
}

/** The first of the path's parts, from the file up, that not only root can change; null when it is sound. */
function untrusted(path: string): string | null {
  for (let part = path; ; part = dirname(part)) {
    const { uid, mode } = lstatSync(part);
    if (uid !== 0 || (mode & 0o022) !== 0) return part;
    if (part === '/') return null;
  }
}
