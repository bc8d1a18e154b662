// The same path as an ordinary user: real D-Bus, polkitd and pkexec, the helper installed,
// and a rule that allows it (test/helper/polkit-world.sh makes all of it).
import { spawn } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  check,
  kernelStatus,
  leftovers,
  must,
  processNamed,
  run,
  runTests,
  until,
} from './tools.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const world = '/dev/shm/world';
const runtime = '/dev/shm/user-run';
const image = '/dev/shm/user.img';
const mountPoint = '/mnt/bioscope-user';
let namespace;
let uid;
let disk;

/** Words that run a program in the namespace of that world; a mount elsewhere is nothing its user can see. */
const enter = () => ['nsenter', `--mount=/proc/${namespace.pid}/ns/mnt`, '--'];

/** The command line as that user. */
function asUser(...words) {
  return run(
    ...enter(),
    ...['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'],
    ...['env', `BIOSCOPE_RUNTIME_DIRECTORY=${runtime}`, 'SHELL=/bin/sh', 'HOME=/'],
    ...[process.execPath, join(process.env.PRODUCT, 'bioscope.cjs'), ...words],
  );
}

async function mustAsUser(...words) {
  const { status, stdout, stderr } = await asUser(...words);
  check(status === 0, `bioscope ${words.join(' ')}: status ${status}\n${stdout}${stderr}`);
  return stdout;
}

const daemon = () => processNamed('bioscope-daemon');

const tests = {
  'polkit and D-Bus run, and the helper is installed': async () => {
    mkdirSync(world);
    // A new Debian has none; it is covered, and the guest's own is thrown away.
    mkdirSync('/usr/local/libexec', { recursive: true });
    const words = ['--mount', '--propagation', 'private', 'sh'];
    const script = join(root, 'test/helper/polkit-world.sh');
    const options = { stdio: ['ignore', 'inherit', 'inherit'] };
    namespace = spawn(
      'unshare',
      [...words, script, world, join(root, 'assets/install-helper')],
      options,
    );
    namespace.unref();
    await until('polkit answers', () => {
      check(namespace.exitCode === null, 'polkit-world.sh ended');
      return existsSync(join(world, 'ready'));
    });
    await must(...enter(), 'sh', '-c', 'echo yes >/run/verdict');
    uid = Number(await must(...enter(), 'id', '-u', 'bioscope-user'));
    for (const [path, make] of [
      [runtime, () => mkdirSync(runtime, { mode: 0o700 })],
      [image, () => writeFileSync(image, '')],
    ]) {
      make();
      chownSync(path, uid, uid);
    }
    truncateSync(image, 32 << 20);
  },

  'an ordinary user gets a target': async () => {
    disk = JSON.parse(await mustAsUser('attach', '--json', image));
    check(disk.route === 'dm-user', `${disk.route}: ${disk.notes} ${disk.routeReason ?? ''}`);
    check(disk.device.startsWith(`/dev/mapper/bioscope-${uid}-`), disk.device);
    const owner = (await must('ps', '-o', 'uid=', '-p', String(daemon()))).trim();
    check(Number(owner) === uid, `the daemon runs as ${owner}`);
  },

  'its daemon is killed under fio on ext4, and the next one goes on': async () => {
    await must('mkfs.ext4', '-q', disk.device);
    mkdirSync(mountPoint);
    await must(...enter(), 'mount', disk.device, mountPoint);
    const load = run(
      ...enter(),
      'fio',
      ...['--name=verify', `--filename=${mountPoint}/fio`, '--size=8M', '--rw=randwrite'],
      ...['--bsrange=4k-64k', '--ioengine=libaio', '--iodepth=16', '--direct=1', '--loops=3'],
      ...['--verify=crc32c', '--verify_fatal=1', '--do_verify=1'],
    );
    const { completed } = await kernelStatus(disk.device);
    await until(
      'requests are answered',
      async () => (await kernelStatus(disk.device)).completed > completed + 100,
    );
    process.kill(daemon(), 'SIGKILL');
    await until('nobody serves', async () => (await kernelStatus(disk.device)).channels === 0);
    await mustAsUser('list');
    await until('it is served', async () => (await kernelStatus(disk.device)).state === 'ready');
    const { status, stdout, stderr } = await load;
    check(status === 0, `fio: status ${status}\n${stdout}${stderr}`);
    const now = await kernelStatus(disk.device);
    check(now.errors === 0 && now.aborted === 0, JSON.stringify(now));
  },

  'a mounted disk stays; a free one is detached and leaves nothing': async () => {
    const refused = await asUser('detach', disk.id);
    check(refused.status === 1, 'it was detached');
    check(refused.stderr.includes(`is mounted at ${mountPoint}`), refused.stderr);
    await must(...enter(), 'umount', mountPoint);
    await mustAsUser('detach', disk.id);
    await must('e2fsck', '-fn', image);
    await mustAsUser('daemon', 'stop');
    await until('the daemon ends', () => daemon() === null);
    await until('the helpers end', () => processNamed('bioscope-helper') === null);
    const left = await leftovers();
    check(left.length === 0, left.join('\n'));
  },

  'where polkit says no, the user gets a file and the reason': async () => {
    await must(...enter(), 'sh', '-c', 'echo no >/run/verdict');
    const { status, stdout, stderr } = await asUser('attach', '--json', image);
    check(status === 0, `status ${status}: ${stderr}`);
    const file = JSON.parse(stdout);
    check(file.route === 'fuse-loop' && file.device === null, stdout);
    check(/The dm-user route was tried first and failed: /.test(file.notes[0]), stdout);
    await mustAsUser('daemon', 'stop', '--all');
    namespace.kill();
  },
};

process.exit((await runTests(tests)) > 0 ? 1 : 0);
