import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Workspace } from '../../support/workspace';
import { bioscope, commandLine, needsRoot, parseLines, patience, start } from './real-command-line';

let workspace: Workspace;
beforeEach(() => {
  workspace = new Workspace();
});
afterEach(() => workspace.end());

interface Listed {
  id: string;
  device: string;
  state: string;
  imagePath: string;
}

describe('wrong usage ends with status 2 and says what is wrong', patience, () => {
  test.each([
    [[], 'A command is missing.'],
    [['fly'], 'There is no command "fly".'],
    [['toString'], 'There is no command "toString".'],
    [['attach'], 'attach needs an IMAGE.'],
    [['attach', ''], 'The name of an IMAGE is empty.'],
    [['attach', '--fast', 'x'], "Unknown option '--fast'."],
    [['list', 'x'], 'Unexpected argument "x".'],
    [['detach'], 'detach needs a DISK, IMAGE or DEVICE.'],
    [['detach', '--all', 'd1'], 'detach --all takes no disks.'],
    [['trace', '--count', '0'], '--count takes a number from 1.'],
    [['trace', '--from', 'middle'], '--from takes "oldest" or "newest".'],
    [
      ['trace', '--filter', 'op == raed'],
      '"raed" is no operation; did you mean read?\n  op == raed\n        ^^^^\n',
    ],
    [
      ['trace', '-f', 'marked'],
      'Marks are made in the window; a terminal knows none.\n  marked\n  ^^^^^^\n',
    ],
    [['daemon'], 'daemon takes "status", "restart" or "stop [--all]".'],
  ])('bioscope %j', async (words, message) => {
    expect(await bioscope(workspace, ...words)).toEqual({
      status: 2,
      stdout: '',
      stderr: `bioscope: ${message} Try "bioscope help".\n`,
    });
    expect(existsSync(workspace.paths.directory)).toBe(false);
  });
});

describe('without a daemon', patience, () => {
  test('help and version are printed', async () => {
    const help = await bioscope(workspace, 'help');
    expect(help.status).toBe(0);
    expect(help.stdout).toMatch(/^usage: bioscope COMMAND/);
    expect(await bioscope(workspace, 'attach', '--help')).toEqual(help);
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect((await bioscope(workspace, '--version')).stdout).toBe(`bioscope ${version}\n`);
  });

  test('there are no disks, and none is started to say so', async () => {
    expect(await bioscope(workspace, 'list')).toEqual({
      status: 0,
      stdout: 'no disks\n',
      stderr: '',
    });
    expect(await bioscope(workspace, 'list', '--json')).toEqual({
      status: 0,
      stdout: '',
      stderr: '',
    });
    expect(await bioscope(workspace, 'trace', '--no-follow')).toMatchObject({ status: 0 });
    expect(await bioscope(workspace, 'detach', '--all')).toMatchObject({ status: 0 });
    expect(await bioscope(workspace, 'detach', 'd1')).toEqual({
      status: 1,
      stdout: '',
      stderr: 'bioscope: d1 is no attached disk: there are none.\n',
    });
    expect((await bioscope(workspace, 'daemon', 'status')).status).toBe(1);
    expect((await bioscope(workspace, 'daemon', 'stop')).status).toBe(0);
    expect(existsSync(workspace.paths.directory)).toBe(false);
  });

  test('a runtime directory that cannot be made is named, with the way out', async () => {
    const file = join(workspace.directory, 'file');
    writeFileSync(file, '');
    const place = { BIOSCOPE_RUNTIME_DIRECTORY: join(file, 'run') };
    const words = [commandLine, 'attach', workspace.image('a.img', 1)];
    const outcome = await start(workspace, process.execPath, words, place).ended;
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toBe(
      `bioscope: The runtime directory ${join(file, 'run')} cannot be made (ENOTDIR). Set BIOSCOPE_RUNTIME_DIRECTORY to a directory of your own.\n`,
    );
  });

  test('a daemon that cannot start is quoted', async () => {
    const words = [commandLine, 'attach', workspace.image('a.img', 1)];
    const environment = { BIOSCOPE_ADDON: '/nowhere/bioscope.node' };
    const outcome = await start(workspace, process.execPath, words, environment).ended;
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toContain('The daemon could not start (status 1).');
    expect(outcome.stderr).toContain(
      'The native part of Bioscope is missing (/nowhere/bioscope.node)',
    );
  });
});

describe('with disks', patience, () => {
  beforeEach(needsRoot);

  test('images attach in turn, each device on a line; one that cannot does not stop the rest', async () => {
    const one = workspace.image('one.img', 1);
    const two = workspace.image('two.img', 2);
    const missing = join(workspace.directory, 'missing.img');
    const outcome = await bioscope(workspace, 'attach', 'one.img', missing, 'two.img');
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toBe(`bioscope: ${missing} does not exist.\n`);
    const devices = outcome.stdout.trimEnd().split('\n');
    expect(devices).toHaveLength(2);
    for (const device of devices) expect(device).toMatch(/^\/dev\/loop\d+$/);

    const listed = parseLines<Listed>((await bioscope(workspace, 'list', '--json')).stdout);
    expect(listed.map(({ id, device, imagePath }) => [id, device, imagePath])).toEqual([
      ['d1', devices[0], one],
      ['d2', devices[1], two],
    ]);

    // By image (through a link) and by device.
    symlinkSync(one, join(workspace.directory, 'link'));
    const detached = await bioscope(workspace, 'detach', 'link', devices[1]!, 'd9');
    expect(detached.status).toBe(1);
    expect(detached.stderr).toMatch(/^bioscope: d9 is no attached disk: .*\n$/);
    expect((await bioscope(workspace, 'list')).stdout).toBe('no disks\n');
  });

  test('odd names attach, and are shown on one line', async () => {
    const name = 'new\nline "quoted" ünï.img';
    const image = workspace.image(name, 1);
    expect((await bioscope(workspace, 'attach', image)).status).toBe(0);
    const { stdout } = await bioscope(workspace, 'list');
    expect(stdout.trimEnd().split('\n')).toHaveLength(2);
    expect(stdout).toContain('new\\nline \\"quoted\\" ünï.img');
    expect((await bioscope(workspace, 'detach', name)).status).toBe(0);
  });

  test('status tells who serves, stop refuses while disks are attached', async () => {
    const image = workspace.image('a.img', 1);
    await bioscope(workspace, 'attach', image);
    const status = await bioscope(workspace, 'daemon', 'status');
    expect(status.status).toBe(0);
    expect(status.stdout).toContain(workspace.paths.directory);
    expect(status.stdout).toMatch(/^disks +1$/m);
    expect(await bioscope(workspace, 'daemon', 'stop')).toEqual({
      status: 1,
      stdout: '',
      stderr:
        'bioscope: The daemon still serves a.img (d1). Detach first, or stop it with all its disks.\n',
    });
    expect(await bioscope(workspace, 'daemon', 'stop', '--all')).toMatchObject({
      status: 0,
      stderr: '',
    });
    expect((await bioscope(workspace, 'daemon', 'status')).status).toBe(1);
  });
});
