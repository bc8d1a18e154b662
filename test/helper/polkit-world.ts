/**
 * A system of its own for tests of the helper: real D-Bus, polkitd and pkexec, an
 * ordinary user and an administrator, the helper installed. All of it lives in a mount
 * namespace (polkit-world.sh); the machine's own /etc, /run and polkit never see it.
 */
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { background, command, until } from '../support/commands';
import { projectDirectory } from '../support/project';
import type { Workspace } from '../support/workspace';
import { start, type Running } from '../app/cli/real-command-line';

export const installedHelper = '/usr/local/libexec/bioscope/bioscope-helper';
const libexec = '/usr/local/libexec';

/** How polkit decides: by a rule, or by asking the agent there is. */
export type Verdict = 'yes' | 'no' | 'ask';

export class PolkitWorld {
  private readonly directory = mkdtempSync(join(tmpdir(), 'bioscope-polkit-'));
  private readonly namespace: ReturnType<typeof background>;
  private readonly madeLibexec: boolean;
  private ids = { uid: 0, gid: 0 };

  private constructor() {
    this.madeLibexec = !existsSync(libexec);
    if (this.madeLibexec) mkdirSync(libexec);
    this.namespace = background(
      ...(['unshare', '--mount', '--propagation', 'private', 'sh'] as const),
      join(projectDirectory, 'test/helper/polkit-world.sh'),
      this.directory,
      join(projectDirectory, 'assets/install-helper'),
    );
  }

  static async start(): Promise<PolkitWorld> {
    const world = new PolkitWorld();
    let over: string | null = null;
    void world.namespace.ended.then(({ output }) => (over = output));
    await until(
      'polkit answers',
      () => {
        if (over !== null) throw new Error(`polkit-world.sh ended: ${over}`);
        return existsSync(join(world.directory, 'ready'));
      },
      60_000,
    );
    const number = async (flag: string) =>
      Number(await command('nsenter', ...world.enter(), 'id', flag, 'bioscope-user'));
    world.ids = { uid: await number('-u'), gid: await number('-g') };
    return world;
  }

  get uid(): number {
    return this.ids.uid;
  }

  get gid(): number {
    return this.ids.gid;
  }

  private enter(): string[] {
    return [`--mount=/proc/${this.namespace.child.pid ?? 0}/ns/mnt`, '--'];
  }

  /** Root, in this world. */
  asRoot(...words: string[]): Promise<string> {
    return command('nsenter', ...this.enter(), ...words);
  }

  /** The ordinary user, in this world, with the workspace's environment. */
  asUser(
    workspace: Workspace,
    words: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): Running {
    const { uid, gid } = this.ids;
    return start(
      workspace,
      'nsenter',
      [
        ...this.enter(),
        ...['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'],
        ...words,
      ],
      environment,
    );
  }

  async decide(verdict: Verdict): Promise<void> {
    await this.asRoot('sh', '-c', `echo ${verdict} > /run/verdict`);
  }

  /** An agent for the process `pid`, once it is registered. */
  async agent(
    workspace: Workspace,
    pid: number,
    ...answer: readonly string[]
  ): Promise<{ readonly questions: () => string[]; end(): Promise<void> }> {
    const script = join(this.directory, 'agent.py');
    // The checkout may lie where this user cannot look.
    const source = join(projectDirectory, 'test/helper/agent.py');
    await command('install', '-m', '644', source, script);
    await command('chmod', '755', this.directory);
    const running = this.asUser(workspace, ['/usr/bin/python3', script, String(pid), ...answer]);
    await until(`the agent is registered: ${running.stderr()}`, () =>
      running.stdout().startsWith('ready\n'),
    );
    return {
      questions: () => running.stdout().split('\n').slice(1, -1),
      end: async () => {
        running.child.kill();
        await running.ended;
      },
    };
  }

  /** What is mounted in this world, a line each. */
  async mounts(): Promise<string[]> {
    return (await this.asRoot('cat', '/proc/self/mountinfo')).split('\n');
  }

  async end(): Promise<void> {
    this.namespace.child.kill();
    await this.namespace.ended;
    // Its folders were mount points in the namespace alone.
    rmSync(this.directory, { recursive: true, force: true });
    if (this.madeLibexec) rmdirSync(libexec);
  }
}
