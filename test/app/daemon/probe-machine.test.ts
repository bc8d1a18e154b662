import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { machineLines } from '../../../app/cli/commands/doctor';
import { machineCheckSchema, machineSchema } from '../../../app/contract/machine';
import { dmUserObstacle, moduleState } from '../../../app/daemon/machine/dm-user-module';
import { moduleSources } from '../../../app/daemon/machine/module-sources';
import { orphanChecks } from '../../../app/daemon/machine/orphaned-targets';
import {
  fuseProblem,
  machineRoutes,
  probeMachine,
} from '../../../app/daemon/machine/probe-machine';
import { channelsCheck } from '../../../app/daemon/machine/serving-checks';
import { rootPrivileges } from '../../../app/privileged/root';
import { FakeAddon } from './fake-addon';
import { FakeTargets } from './fake-targets';

let directory: string;
let roots: { sys: string; proc: string; modules: string };

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bioscope-test-'));
  roots = {
    sys: join(directory, 'sys'),
    proc: join(directory, 'proc'),
    modules: join(directory, 'modules'),
  };
  for (const path of Object.values(roots)) mkdirSync(path);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const facts = { channels: 2, known: new Set<string>() };

const modules = (name: string, text: string) => writeFileSync(join(roots.modules, name), text);

test('a module is absent, installed, loaded or built in', () => {
  expect(moduleState('dm-user', roots)).toBe('absent');
  modules(
    'modules.dep',
    'kernel/x/other-dm-user.ko:\nupdates/dkms/dm-user.ko.xz: kernel/dm-mod.ko\n',
  );
  expect(moduleState('dm-user', roots)).toBe('installed');
  mkdirSync(join(roots.sys, 'module/dm_user'), { recursive: true });
  expect(moduleState('dm-user', roots)).toBe('loaded');

  expect(moduleState('dm-mod', roots)).toBe('absent');
  modules('modules.builtin', 'kernel/drivers/md/dm-mod.ko\n');
  expect(moduleState('dm-mod', roots)).toBe('loaded');
});

test('a name that only ends like the module is another one', () => {
  modules('modules.dep', 'kernel/x/other-dm-user.ko:\n');
  expect(moduleState('dm-user', roots)).toBe('absent');
});

test('device mapper goes before the module', () => {
  expect(dmUserObstacle(roots)).toBe('This kernel has no device mapper.');
  writeFileSync(join(roots.proc, 'misc'), '236 device-mapper\n');
  expect(dmUserObstacle(roots)).toBe('The dm-user module is not installed for this kernel.');
  modules('modules.dep', 'extra/dm_user.ko:\n');
  expect(dmUserObstacle(roots)).toBeNull();
});

test('the sources of the module are found in a checkout and in the package', () => {
  const checkout = join(directory, 'checkout');
  mkdirSync(join(checkout, 'native/kmod'), { recursive: true });
  writeFileSync(join(checkout, 'native/kmod/Makefile'), '');
  expect(moduleSources(join(checkout, 'dist'))).toBe(join(checkout, 'native/kmod'));

  const installed = join(directory, 'opt/bioscope');
  mkdirSync(join(installed, 'share/kmod'), { recursive: true });
  writeFileSync(join(installed, 'share/kmod/Makefile'), '');
  expect(moduleSources(join(installed, 'resources/app.asar/dist'))).toBe(
    join(installed, 'share/kmod'),
  );
  expect(moduleSources(join(directory, 'nowhere'))).toBeNull();
});

test('the report fits the contract, and every finding that can be mended has its command', async () => {
  const addon = new FakeAddon();
  const privileges = { ...rootPrivileges(addon), targets: new FakeTargets() };
  const machine = machineSchema.parse(await probeMachine(privileges, addon, facts));
  expect(machine.routes.filter(({ preferred }) => preferred).length).toBeLessThanOrEqual(1);
  const ids = machine.checks.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toContain('dm-user-module');
  const lines = machineLines(machine);
  for (const { title, remedy } of machine.checks) {
    expect(lines.some((line) => line.includes(title))).toBe(true);
    for (const command of remedy) expect(lines).toContain(`            ${command}`);
  }
});

test('what could not be promised when memory is short is told', async () => {
  const addon = new FakeAddon();
  addon.memoryPromise = () => ({ ioFlusher: 'EPERM', locked: 'ENOMEM' });
  const { checks } = await probeMachine(rootPrivileges(addon), addon, facts);
  const memory = checks.find(({ id }) => id === 'memory');
  expect(memory).toMatchObject({
    finding: 'advice',
    remedy: ['sudo prlimit --pid $$ --memlock=unlimited', 'bioscope daemon restart'],
  });
  expect(memory?.detail).toMatch(/could be locked \(ENOMEM\), and its threads .* \(EPERM\)/);
});

test('how many channels a disk gets is told, and why', () => {
  const { detail } = channelsCheck(1, 2);
  expect(detail).toContain(
    'A disk gets 1 channel on the 2 processors that Bioscope may run on: a ',
  );
  expect(channelsCheck(3, 1).detail).toBe(
    'A disk gets 3 channels on the 1 processor that Bioscope may run on: BIOSCOPE_THREADS says so, or there were other processors when the daemon started. By themselves these make it 1 channel. A disk that is gone on with keeps as many as its trace has threads for.',
  );
});

describe('targets of this user that nobody serves', () => {
  const uid = process.getuid?.() ?? 0;
  const mapped = (device: string, name: string, uuid = name.replace('bioscope', 'BIOSCOPE')) => {
    const path = join(roots.sys, 'block', device);
    mkdirSync(join(path, 'dm'), { recursive: true });
    writeFileSync(join(path, 'dm/name'), `${name}\n`);
    writeFileSync(join(path, 'dm/uuid'), `${uuid}\n`);
    writeFileSync(join(path, 'size'), '16\n');
  };

  test('are told with what adopts them and what removes them', async () => {
    const name = `bioscope-${uid}-d3-1a2b`;
    mapped('dm-0', name);
    const [check, ...others] = await orphanChecks(new Set(), roots);
    expect(others).toEqual([]);
    expect(check).toMatchObject({
      id: `orphaned-target:${name}`,
      finding: 'advice',
      remedy: [`sudo dmsetup message ${name} 0 abort`, `sudo dmsetup remove --deferred ${name}`],
    });
    expect(check?.detail).toContain(`/dev/mapper/${name} (8192 bytes)`);
    expect(check?.detail).toContain(`bioscope adopt ${name} IMAGE.`);
    expect(machineCheckSchema.parse(check)).toEqual(check);
  });

  test('are neither others’, nor those of a disk, nor those that another daemon serves', async () => {
    mapped('dm-0', `bioscope-${uid + 1}-d1-1a2b`);
    mapped('dm-1', 'vg-home', 'LVM-abc');
    mapped('dm-2', `bioscope-${uid}-d2-1a2b`, 'made-by-hand');
    mapped('dm-3', `bioscope-${uid}-d3-1a2b`);
    mapped('dm-4', `bioscope-${uid}-d4-1a2b`);
    mkdirSync(join(roots.proc, '12/fd'), { recursive: true });
    symlinkSync(`/dev/dm-user/bioscope-${uid}-d4-1a2b`, join(roots.proc, '12/fd/3'));
    expect(await orphanChecks(new Set(['d3-1a2b']), roots)).toEqual([]);
  });
});

describe('what is in the way of fuse-loop', () => {
  const ordinary = () => ({ ...rootPrivileges(new FakeAddon()), available: false, targets: null });
  const device = () => join(directory, 'fuse');

  test('is no FUSE, for everybody', () => {
    const root = rootPrivileges(new FakeAddon());
    for (const privileges of [ordinary(), root]) {
      expect(fuseProblem(privileges, { device: device(), path: '' })).toEqual({
        detail: `There is no ${device()}: this kernel has no FUSE, or it is not loaded.`,
        remedy: ['sudo modprobe fuse'],
      });
    }
  });

  test('is what an ordinary user mounts with, where that is not installed', () => {
    writeFileSync(device(), '');
    const path = join(directory, 'bin');
    const system = { device: device(), path };
    expect(fuseProblem(rootPrivileges(new FakeAddon()), system)).toBeNull();
    expect(fuseProblem(ordinary(), system)).toMatchObject({
      detail: expect.stringContaining('fusermount3') as string,
      remedy: ['sudo apt-get install --yes fuse3'],
    });
    mkdirSync(path);
    writeFileSync(join(path, 'fusermount3'), '', { mode: 0o755 });
    expect(fuseProblem(ordinary(), system)).toBeNull();
  });

  test('is told of the route, too', async () => {
    const privileges = ordinary();
    const problem = fuseProblem(privileges);
    const { routes, checks } = await probeMachine(privileges, new FakeAddon(), facts);
    const route = routes.find(({ name }) => name === 'fuse-loop');
    expect(route?.available).toBe(problem === null);
    expect(route?.explanation).toBe(problem?.detail ?? privileges.explanation);
    const finding = problem === null ? 'ok' : 'missing';
    expect(checks.find(({ id }) => id === 'fuse')).toMatchObject({ finding });
  });
});

test('without a way to make targets dm-user is not offered', () => {
  const [route] = machineRoutes({ ...rootPrivileges(new FakeAddon()), targets: null });
  expect(route).toMatchObject({ name: 'dm-user', available: false, preferred: false });
});
