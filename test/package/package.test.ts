/** The packaged app: it needs nothing of this project, and its daemon runs on its own binary. */
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listPackage } from '@electron/asar';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { background, command } from '../support/commands';
import { Desktop } from '../support/desktop';
import { pictureOnFailure } from '../support/failure-picture';
import { projectDirectory } from '../support/project';
import { Workspace, isServing } from '../support/workspace';

const isRoot = process.getuid?.() === 0;
const home = join(projectDirectory, 'out/linux-unpacked');
const binary = join(home, 'bioscope-app');

describe('the package', () => {
  let output: string;

  beforeAll(async () => {
    const { ended } = background(process.execPath, join(projectDirectory, 'scripts/package.mjs'));
    const result = await ended;
    expect(result.status, result.output).toBe(0);
    ({ output } = result);
  }, 240_000);

  it('holds the bundles and no node_modules, sources or maps', () => {
    const files = listPackage(join(home, 'resources/app.asar'), { isPack: false });
    const programs = ['main', 'preload', 'feed', 'daemon', 'bioscope'];
    const threads = ['exporter', 'recorder'];
    for (const name of [...programs, ...threads]) expect(files).toContain(`/dist/${name}.cjs`);
    expect(files.filter((path) => /node_modules|\.map$|\.tsx?$/.test(path))).toEqual([]);
    expect(existsSync(join(home, 'resources/app.asar.unpacked/dist/bioscope.node'))).toBe(true);
    expect(existsSync(join(home, 'resources/default_app.asar'))).toBe(false);
  });

  it('carries the licences of what it contains', () => {
    expect(readFileSync(join(home, 'LICENSE.bioscope.txt'), 'utf8')).toContain('Apache License');
    const others = readFileSync(join(home, 'THIRD-PARTY-LICENSES.txt'), 'utf8');
    for (const name of ['react', 'zod', 'dockview', 'inter', 'ibm-plex-mono']) {
      expect(others).toContain(name);
    }
  });

  it('says plainly when it must not be distributed', () => {
    const version = readFileSync(join(home, 'version'), 'utf8');
    const isDevelopment = version.trim().startsWith('25.');
    expect(output.includes('development runtime, not for distribution')).toBe(isDevelopment);
    expect(existsSync(join(home, 'NOT-FOR-DISTRIBUTION.txt'))).toBe(isDevelopment);
  });

  it('has a command line that needs no Node', async () => {
    const environment = { PATH: '/usr/bin:/bin', BIOSCOPE_RUNTIME_DIRECTORY: '/nonexistent/x' };
    const { version } = JSON.parse(
      readFileSync(join(projectDirectory, 'package.json'), 'utf8'),
    ) as { version: string };
    const words = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    const said = await command('env', '-i', ...words, join(home, 'bioscope'), '--version');
    expect(said).toContain(version);
  });
});

describe.skipIf(!isRoot)('the packaged app (needs root)', () => {
  let workspace: Workspace;
  let desktop: Desktop;
  let device: string;
  let image: string;

  pictureOnFailure(() => desktop);
  beforeAll(async () => {
    workspace = new Workspace();
    image = workspace.image('packaged.img', 16);
    desktop = await Desktop.launch(workspace, { packaged: binary, images: [image] });
  });
  afterAll(() => workspace.end());

  it('attaches the image it was started with', async () => {
    device = await desktop.device('packaged.img');
    expect(device).toMatch(/^\/dev\/loop\d+$/);
    expect(isServing(device, 'packaged.img')).toBe(true);
  });

  it('runs its daemon on its own binary', async () => {
    const pid = await workspace.daemonPid();
    expect(readlinkSync(`/proc/${pid}/exe`)).toBe(binary);
  });

  it('shows the requests of the device', async () => {
    await desktop.select('packaged.img');
    writeFileSync(device, Buffer.alloc(64 * 1024, 'x'));
    await command('blockdev', '--flushbufs', device);
    await desktop.rows('write').first().waitFor();
    expect(readFileSync(image).subarray(0, 4).toString()).toBe('xxxx');
  });

  it('detaches when it quits, and leaves nothing', async () => {
    await desktop.close('Detach all and quit');
    expect(isServing(device, 'packaged.img')).toBe(false);
    expect(desktop.complaints).toEqual([]);
  });
});
