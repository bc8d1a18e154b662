/** Ending the window with disks attached, and starting a second one. */
import { spawn } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { command, until } from '../support/commands';
import { Desktop, electronExecutable, electronSwitches } from '../support/desktop';
import { pictureOnFailure } from '../support/failure-picture';
import { projectDirectory } from '../support/project';
import { Workspace } from '../support/workspace';

/** What a process has open, by name. */
function openFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${name}`)];
    } catch {
      return []; // closed in between
    }
  });
}

const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)('quitting with a disk attached (needs root)', () => {
  let workspace: Workspace;
  let desktop: Desktop;
  let device: string;

  pictureOnFailure(() => desktop);
  beforeEach(async () => {
    workspace = new Workspace();
    const image = workspace.image('quit.img', 16);
    desktop = await Desktop.launch(workspace, { images: [image] });
    device = await desktop.device('quit.img');
  });
  afterEach(() => workspace.end());

  const quit = () => desktop.application.evaluate(({ app }) => app.quit()).catch(() => undefined);

  it('asks, and stays when it is cancelled', async () => {
    await desktop.answerDialogs(['Cancel']);
    await quit();
    const [question] = await until('the question', async () => {
      const asked = await desktop.asked();
      return asked.length > 0 && asked;
    });
    expect(question).toContain('A disk is attached.');
    expect(question).toContain(`quit.img (${device})`);
    await desktop.disk('quit.img');
    await desktop.close();
  });

  it('detaches all and ends when told so', async () => {
    await desktop.close('Detach all and quit');
    expect(await workspace.disks()).toEqual([]);
  });

  it('leaves the disk to the daemon when told so, and the next window shows it', async () => {
    await desktop.close();
    expect((await workspace.disks()).map((disk) => disk.device)).toEqual([device]);
    // Nor does it live on with anything of the window's.
    const files = openFiles((await workspace.daemonPid())!);
    expect(files.filter((path) => /electron|chromium|config/i.test(path))).toEqual([]);
    expect(files.filter((path) => path.startsWith('socket:')).length).toBeLessThan(10);
    desktop = await Desktop.launch(workspace);
    expect(await desktop.device('quit.img')).toBe(device);
    await desktop.close();
  });

  it('ends at once on SIGTERM, and leaves the disk to the daemon', async () => {
    await desktop.terminate();
    expect((await workspace.disks()).map((disk) => disk.device)).toEqual([device]);
  });

  it('stays and names the mount point when a disk is in use', async () => {
    await command('mkfs.ext4', '-q', '-F', device);
    await command('mount', device, workspace.mountPoint);
    await desktop.answerDialogs(['Detach all and quit', 'Close']);
    await quit();
    const refusal = await until('the refusal', async () => (await desktop.asked())[1]);
    expect(refusal).toContain('A disk could not be detached.');
    expect(refusal).toContain(workspace.mountPoint);
    await desktop.disk('quit.img');
    await workspace.unmount();
    await desktop.close();
  });

  it('a second start hands its images to the window that is open, and ends', async () => {
    const second = workspace.image('second.img', 8);
    const child = spawn(
      electronExecutable(),
      [...electronSwitches(), projectDirectory, '--', second],
      { env: workspace.environment(), stdio: 'ignore' },
    );
    const status = await new Promise((resolve) => child.once('exit', resolve));
    expect(status).toBe(0);
    expect(await desktop.device('second.img')).toMatch(/^\/dev\/loop\d+$/);
    await desktop.close();
  });
});
