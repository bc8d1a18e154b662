import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { machineLines } from '../../../app/cli/commands/doctor';
import { machineSchema } from '../../../app/contract/machine';
import { dmUserObstacle, moduleState } from '../../../app/daemon/machine/dm-user-module';
import { moduleSources } from '../../../app/daemon/machine/module-sources';
import { machineRoutes, probeMachine } from '../../../app/daemon/machine/probe-machine';
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

test('the report fits the contract, and every finding that can be mended has its command', () => {
  const addon = new FakeAddon();
  const privileges = { ...rootPrivileges(addon), targets: new FakeTargets() };
  const machine = machineSchema.parse(probeMachine(privileges, addon));
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

test('what could not be promised when memory is short is told', () => {
  const addon = new FakeAddon();
  addon.memoryPromise = () => ({ ioFlusher: 'EPERM', locked: 'ENOMEM' });
  const { checks } = probeMachine(rootPrivileges(addon), addon);
  const memory = checks.find(({ id }) => id === 'memory');
  expect(memory).toMatchObject({ finding: 'advice', remedy: ['ulimit -l unlimited'] });
  expect(memory?.detail).toMatch(/could be locked \(ENOMEM\), and its threads .* \(EPERM\)/);
});

test('without a way to make targets dm-user is not offered', () => {
  const [route] = machineRoutes({ ...rootPrivileges(new FakeAddon()), targets: null });
  expect(route).toMatchObject({ name: 'dm-user', available: false, preferred: false });
});
