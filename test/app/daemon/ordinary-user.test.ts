/**
 * The daemon of an ordinary user: no block device, but the FUSE file itself.
 * Run by root as user nobody, in a mount namespace in which /dev/fuse is open
 * to all, as udev makes it (a machine without udev has it for root alone).
 */
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { background, hasProgram, until } from '../../support/commands';
import { Workspace } from '../../support/workspace';
import { commandLine, patience, start, type Outcome, type Running } from '../cli/real-command-line';

const NOBODY = 65534;

describe('an ordinary user', patience, () => {
  let workspace: Workspace;
  let namespace: ReturnType<typeof background>;
  let image: string;

  beforeEach(async (context) => {
    workspace = new Workspace();
    if (process.getuid?.() !== 0) context.skip('needs root, to become another user');
    for (const program of ['unshare', 'nsenter', 'setpriv', 'fusermount3']) {
      if (!hasProgram(program)) context.skip(`needs ${program}`);
    }
    image = workspace.image('mine.img', 4);
    const node = join(workspace.directory, 'fuse');
    const ready = join(workspace.directory, 'ready');
    mkdirSync(workspace.paths.directory);
    for (const path of [workspace.directory, workspace.paths.directory, image]) {
      chownSync(path, NOBODY, NOBODY);
    }
    namespace = background(
      'unshare',
      '--mount',
      '--propagation',
      'private',
      'sh',
      '-c',
      `mknod '${node}' c 10 229 && chmod 666 '${node}' && mount --bind '${node}' /dev/fuse && touch '${ready}' && exec sleep 600`,
    );
    await until('the namespace is ready', () => existsSync(ready));
  });
  afterEach(async () => {
    if ((namespace as typeof namespace | undefined) !== undefined) {
      await asNobody('node', commandLine, 'daemon', 'stop', '--all').ended;
      expect(mounts()).toEqual([]);
      namespace.child.kill();
      await namespace.ended;
    }
    // It is the other user's: root's daemon would refuse to look into it.
    rmSync(workspace.paths.directory, { recursive: true, force: true });
    await workspace.end();
  });

  function asNobody(program: string, ...words: string[]): Running {
    return start(workspace, 'nsenter', [
      `--mount=/proc/${namespace.child.pid ?? 0}/ns/mnt`,
      '--',
      'setpriv',
      `--reuid=${NOBODY}`,
      `--regid=${NOBODY}`,
      '--clear-groups',
      program === 'node' ? process.execPath : program,
      ...words,
    ]);
  }
  const bioscope = (...words: string[]): Promise<Outcome> =>
    asNobody('node', commandLine, ...words).ended;
  const mounts = () =>
    readFileSync(`/proc/${namespace.child.pid ?? 0}/mountinfo`, 'utf8')
      .split('\n')
      .filter((line) => line.includes(workspace.paths.mounts));

  test('gets a file that is served and traced, and is told what is missing', async () => {
    const attached = await bioscope('attach', image);
    const file = join(workspace.paths.mounts, 'd1/mine.img');
    expect(attached).toMatchObject({ status: 0, stdout: `${file}\n` });
    expect(attached.stderr).toContain('This is a file, not a block device.');
    // The whole way to one, from where the helper is not installed.
    expect(attached.stderr).toMatch(/Install it: .*sudo sh \S+\/install-helper/);
    const format = await asNobody('/sbin/mke2fs', '-q', '-F', file).ended;
    expect(format).toMatchObject({ status: 0 });
    const trace = await bioscope('trace', '--no-follow');
    expect(trace.stdout).toMatch(/ d1 +\d+ write /);
    expect(mounts()).toHaveLength(1);

    expect(await bioscope('detach', file)).toMatchObject({ status: 0, stderr: '' });
    expect(mounts()).toEqual([]);
    expect(existsSync(join(workspace.paths.mounts, 'd1'))).toBe(false);
    // What was written through the file is in the image.
    expect(readFileSync(image).readUInt16LE(1024 + 56)).toBe(0xef53);
  });

  test('cannot detach while a program has the file open, which is named', async () => {
    const file = (await bioscope('attach', image)).stdout.trim();
    const holder = asNobody('sh', '-c', 'exec 9<"$0"; echo open; exec sleep 600', file);
    await until('it has the file open', () => holder.stdout() === 'open\n');
    const refused = await bioscope('detach', 'd1');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(
      /^bioscope: mine\.img \(d1\) is in use: .*mine\.img is open in sleep \(process \d+\)\. Close those programs\./,
    );
    holder.child.kill();
    await holder.ended;
    expect(await bioscope('detach', 'd1')).toMatchObject({ status: 0 });
  });

  test('killed, its daemon’s mount is cleared by the next one', async () => {
    await bioscope('attach', image);
    const status = await bioscope('daemon', 'status');
    const pid = Number(/^process +(\d+)/m.exec(status.stdout)?.[1]);
    process.kill(pid, 'SIGKILL');
    await until('the daemon is gone', () => !existsSync(`/proc/${pid}`));
    expect(mounts()).toHaveLength(1);
    const list = await bioscope('list');
    expect(list.stdout).toContain(`The daemon (process ${pid}) ended without detaching mine.img`);
    expect(mounts()).toEqual([]);
    expect(await bioscope('detach', 'd1')).toMatchObject({ status: 0 });
    expect((await bioscope('list')).stdout).toBe('no disks\n');
  });

  test('is refused an image that it may not read or write, and told why', async () => {
    chmodSync(image, 0o000);
    expect((await bioscope('attach', '-r', image)).stderr).toBe(
      `bioscope: ${image} may not be read by this user (EACCES). Change its permissions (or those of its directories), or run Bioscope as a user who may.\n`,
    );
    chownSync(image, 0, 0);
    chmodSync(image, 0o644);
    expect((await bioscope('attach', image)).stderr).toBe(
      `bioscope: ${image} may not be written by this user (EACCES). Attach it read-only, or change its permissions.\n`,
    );
    expect(await bioscope('attach', '-r', image)).toMatchObject({ status: 0 });
  });

  test('may not use a runtime directory of somebody else', async () => {
    chownSync(workspace.paths.directory, 0, 0);
    const refused = await bioscope('attach', image);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain(
      `The runtime directory ${workspace.paths.directory} belongs to user 0, not to user ${NOBODY}.`,
    );
  });

  test('has a demo too, on a file of its own', async () => {
    const demo = start(
      workspace,
      'nsenter',
      [
        `--mount=/proc/${namespace.child.pid ?? 0}/ns/mnt`,
        'setpriv',
        `--reuid=${NOBODY}`,
        `--regid=${NOBODY}`,
        '--clear-groups',
        process.execPath,
        commandLine,
        'demo',
      ],
      { TMPDIR: workspace.directory },
    );
    await until('writes are shown', () => demo.stdout().includes(' write '));
    demo.child.kill('SIGINT');
    const { status } = await demo.ended;
    expect(status).toBe(0);
    expect(mounts()).toEqual([]);
  });
});
