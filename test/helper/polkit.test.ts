/** An ordinary user, a real polkit, and what it decides: through the product's command line. */
import { chownSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../support/commands';
import { Workspace } from '../support/workspace';
import { commandLine, type Outcome } from '../app/cli/real-command-line';
import { installedHelper, PolkitWorld } from './polkit-world';

const fuseQuestion =
  'dev.bioscope.helper.fuse-loop Authentication is required to make a disk image a block device';

let world: PolkitWorld;

beforeAll(async () => {
  world = await PolkitWorld.start();
});
afterAll(async () => {
  await world.end();
});

/** Processes of the installed helper: their pids. */
function helpers(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(`${installedHelper}\0`);
      } catch {
        return false; // no process, or one that has just ended
      }
    });
}

/** Loop devices that are over something, by the name of it. */
function loopsOver(name: string): string[] {
  return readdirSync('/sys/block').filter((device) => {
    try {
      const file = readFileSync(`/sys/block/${device}/loop/backing_file`, 'utf8');
      return file.trim().replace(' (deleted)', '') === `/${name}`;
    } catch {
      return false;
    }
  });
}

describe('an ordinary user with the helper', () => {
  let workspace: Workspace;
  let image: string;
  let name: string;

  beforeEach(async () => {
    workspace = new Workspace();
    name = `polkit-${process.pid}-${Date.now()}.img`;
    image = workspace.image(name, 4);
    mkdirSync(workspace.paths.directory);
    for (const path of [workspace.directory, workspace.paths.directory, image]) {
      chownSync(path, world.uid, world.gid);
    }
    await world.decide('ask');
  });
  afterEach(async () => {
    await bioscope('daemon', 'stop', '--all');
    await until('the helpers have ended', () => helpers().length === 0);
    expect(loopsOver(name)).toEqual([]);
    expect((await world.mounts()).filter((line) => line.includes(workspace.directory))).toEqual([]);
    // It is the other user's: root's daemon would refuse to look into it.
    rmSync(workspace.paths.directory, { recursive: true, force: true });
    await workspace.end();
  });

  const bioscope = (...words: string[]): Promise<Outcome> =>
    world.asUser(workspace, [process.execPath, commandLine, ...words], {
      BIOSCOPE_IDLE_SECONDS: '60',
    }).ended;

  async function daemonPid(): Promise<number> {
    // Which starts one, and asks for nothing.
    await bioscope('doctor');
    const { stdout } = await bioscope('daemon', 'status');
    const pid = Number(/^process +(\d+)/m.exec(stdout)?.[1]);
    if (!(pid > 1)) throw new Error(`no daemon runs: ${stdout}`);
    return pid;
  }

  test('gets a real block device that is his own, and gives it back', async () => {
    await world.decide('yes');
    const attached = await bioscope('attach', image);
    expect(attached).toMatchObject({ status: 0 });
    const device = attached.stdout.trim();
    expect(device).toMatch(/^\/dev\/loop\d+$/);
    expect(statSync(device).uid).toBe(world.uid);
    const format = await world.asUser(workspace, ['/sbin/mke2fs', '-q', device]).ended;
    expect(format).toMatchObject({ status: 0 });
    expect((await bioscope('trace', '--no-follow')).stdout).toMatch(/ d1 +\d+ write /);
    // One helper, whatever is asked of it.
    expect(await bioscope('list')).toMatchObject({ status: 0 });
    expect(helpers()).toHaveLength(1);

    expect(await bioscope('detach', 'd1')).toMatchObject({ status: 0, stderr: '' });
    expect(statSync(device).uid).toBe(0);
    expect(loopsOver(name)).toEqual([]);
    // What was written through the device is in the image.
    expect(readFileSync(image).readUInt16LE(1024 + 56)).toBe(0xef53);
  });

  test('is asked once, and an administrator’s password lets every disk be attached', async () => {
    const agent = await world.agent(
      workspace,
      await daemonPid(),
      'answer',
      'bioscope-admin',
      'correct horse',
    );
    for (const disk of ['d1', 'd2']) {
      const attached = await bioscope('attach', image);
      expect(attached).toMatchObject({ status: 0 });
      expect(attached.stdout).toMatch(/^\/dev\/loop\d+\n$/);
      expect(await bioscope('detach', disk)).toMatchObject({ status: 0 });
    }
    expect(agent.questions()).toEqual([fuseQuestion]);
    await agent.end();
  });

  test('is told that the question was dismissed, and gets the file instead', async () => {
    const agent = await world.agent(workspace, await daemonPid(), 'dismiss');
    const attached = await bioscope('attach', image);
    expect(attached).toMatchObject({ status: 0 });
    expect(attached.stdout).toContain(workspace.paths.mounts);
    expect(attached.stderr).toContain(
      'The question for the password to make loop devices was dismissed. Try again and answer it.',
    );
    expect(agent.questions()).toEqual([fuseQuestion]);
    await agent.end();
  });

  test('is told that a wrong password does not do', async () => {
    const pid = await daemonPid();
    const agent = await world.agent(workspace, pid, 'answer', 'bioscope-admin', 'wrong horse');
    expect((await bioscope('attach', image)).stderr).toContain(
      'polkit did not allow this user to make loop devices: the password was wrong, or a rule of this machine forbids it.',
    );
    await agent.end();
  });

  test('is told that a rule forbids it', async () => {
    await world.decide('no');
    expect((await bioscope('attach', image)).stderr).toContain(
      'polkit did not allow this user to make loop devices',
    );
  });

  test('is told that no agent runs who could ask, and how to have one', async () => {
    const pid = await daemonPid();
    expect((await bioscope('attach', image)).stderr).toContain(
      `Nobody could be asked for the password to make loop devices: no polkit agent runs in this session. Log in to a desktop session, or answer in a second terminal: pkttyagent --process ${pid}`,
    );
  });

  test('is told by the doctor what is missing and how to install it', async () => {
    const policy = '/usr/share/polkit-1/actions/dev.bioscope.helper.policy';
    const diagnosis = async () => {
      await bioscope('daemon', 'stop', '--all');
      return (await bioscope('doctor')).stdout;
    };
    await world.asRoot('mv', policy, '/run/policy');
    const unregistered = await diagnosis();
    await world.asRoot('mv', '/run/policy', policy);
    expect(unregistered).toContain('polkit has no policy for it.');
    expect(unregistered).toMatch(/sudo sh \S+\/assets\/install-helper/);

    await world.asRoot('chown', String(world.uid), installedHelper);
    const weak = await diagnosis();
    await world.asRoot('chown', 'root', installedHelper);
    expect(weak).toContain(`${installedHelper} can be changed by others than root`);

    await world.asRoot('mv', installedHelper, '/run/helper');
    const missing = await diagnosis();
    await world.asRoot('mv', '/run/helper', installedHelper);
    expect(missing).toContain(`polkit has a policy for ${installedHelper}, but that program`);
  });

  test('leaves nothing behind when his daemon is killed, and the device is root’s again', async () => {
    await world.decide('yes');
    const device = (await bioscope('attach', image)).stdout.trim();
    const pid = await daemonPid();
    expect(loopsOver(name)).toHaveLength(1);
    process.kill(pid, 'SIGKILL');
    await until('the helper ends after its daemon', () => helpers().length === 0);
    await until('the loop device is gone', () => loopsOver(name).length === 0);
    expect(statSync(device).uid).toBe(0);
    expect((await bioscope('list')).stdout).toContain(`ended without detaching ${name}`);
    expect(await bioscope('detach', 'd1')).toMatchObject({ status: 0 });
  });

  test('goes on after the helper was killed: the disk stays, the next asks for another helper', async () => {
    await world.decide('yes');
    expect((await bioscope('attach', image)).stdout).toMatch(/^\/dev\/loop/);
    const [helper] = helpers();
    if (helper === undefined) throw new Error('no helper runs');
    process.kill(helper, 'SIGKILL');
    await until('it is gone', () => helpers().length === 0);
    // The loop device is the kernel's, and its label tells the next helper whose it is.
    expect(await bioscope('detach', 'd1')).toMatchObject({ status: 0, stderr: '' });
    expect(helpers()).toHaveLength(1);
  });
});
