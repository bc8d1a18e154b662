// Targets and channels that are not Bioscope's own: made by hand, and as narrow as those of
// the first module.
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  attach,
  bioscopeWith,
  check,
  daemonPid,
  environment,
  kernelStatus,
  leftovers,
  must,
  mustBioscope,
  run,
  runTests,
  until,
} from './tools.mjs';

/** One pass of random writes, then of reading them back. */
const fio = (device) =>
  run(
    'fio',
    ...['--name=verify', `--filename=${device}`, '--size=8M', '--rw=randwrite'],
    ...['--bsrange=4k-64k', '--ioengine=libaio', '--iodepth=16', '--direct=1'],
    ...['--verify=crc32c', '--verify_fatal=1', '--do_verify=1', '--fsync=64'],
  );

const tests = {
  'a target made by hand is served, and left behind': async () => {
    const own = '/dev/shm/own.img';
    writeFileSync(own, '');
    truncateSync(own, 8 << 20);
    await must('dmsetup', 'create', 'byhand', '--table', '0 16384 user 0 16384 byhand');
    const device = (await mustBioscope('adopt', 'byhand', own)).trim();
    check(device === '/dev/mapper/byhand', device);
    await must('mkfs.ext4', '-q', device);
    await must('e2fsck', '-fn', device);
    await mustBioscope('detach', device);
    check((await kernelStatus(device)).state === 'waiting', 'the target');
    await must('e2fsck', '-fn', own);
    await must('dmsetup', 'remove', 'byhand');
  },

  'a channel as narrow as the first module’s is served as well': async () => {
    const own = '/dev/shm/narrow.img';
    writeFileSync(own, '');
    truncateSync(own, 16 << 20);
    const table = '0 32768 user 0 32768 narrow 2 no_daemon:fail write_zeroes';
    await must('dmsetup', 'create', 'narrow', '--table', table);
    const more = {
      BIOSCOPE_RUNTIME_DIRECTORY: '/run/bioscope-narrow',
      LD_PRELOAD: process.env.SEED_RULES,
    };
    const device = '/dev/mapper/narrow';
    const mustDo = async (...words) => {
      const { status, stdout, stderr } = await bioscopeWith(more, ...words);
      check(status === 0, `${words.join(' ')}: ${status} ${stdout}${stderr}`);
      return stdout;
    };
    await mustDo('adopt', 'narrow', own);
    const { stdout: status } = await bioscopeWith(more, 'daemon', 'status');
    const pid = /^process\s+(\d+)$/m.exec(status)?.[1];
    const maps = readFileSync(`/proc/${pid}/maps`, 'utf8');
    check(maps.includes(process.env.SEED_RULES), 'the daemon runs without the narrow rules');
    const { stdout } = await fio(device);
    check(/err= 0/.test(stdout), stdout);
    await must('mkfs.ext4', '-q', device);
    await must('e2fsck', '-fn', device);
    const now = await kernelStatus(device);
    check(now.errors === 0 && now.unsupported === 0 && now.requeued === 0, JSON.stringify(now));
    await mustDo('detach', device);
    await must('e2fsck', '-fn', own);
    // Like the first module’s, its requests fail while nobody serves.
    const dead = await run(
      'dd',
      `if=${device}`,
      'of=/dev/null',
      'bs=4k',
      'count=1',
      'iflag=direct',
    );
    check(dead.status === 1 && /Input\/output error/.test(dead.stderr), dead.stderr);
    await mustDo('daemon', 'stop');
    await must('dmsetup', 'remove', 'narrow');
  },

  'a target whose state was lost is named by doctor, and adopted as it says': async () => {
    const own = '/dev/shm/orphan.img';
    writeFileSync(own, '');
    truncateSync(own, 8 << 20);
    const { device } = await attach(own);
    const name = device.replace('/dev/mapper/', '');
    process.kill(daemonPid(), 'SIGKILL');
    await until('nobody serves', async () => (await kernelStatus(device)).channels === 0);
    rmSync(join(environment.BIOSCOPE_RUNTIME_DIRECTORY, 'disks.json'));
    // What is sent to it waits, and is served by whoever adopts it.
    const words = [`if=${device}`, 'of=/dev/null', 'bs=4k', 'count=1', 'iflag=direct'];
    const waiting = run('dd', ...words);
    await until('it waits', async () => (await kernelStatus(device)).queued > 0);
    const { checks } = JSON.parse(await mustBioscope('doctor', '--json'));
    const orphan = checks.find(({ id }) => id === `orphaned-target:${name}`);
    check(orphan !== undefined, JSON.stringify(checks));
    const [, command] = /: bioscope (adopt \S+) IMAGE\./.exec(orphan.detail) ?? [];
    check(command !== undefined, orphan.detail);
    const adopted = await mustBioscope(...command.split(' '), own);
    check(adopted.trim() === device, adopted);
    const { status, stderr } = await waiting;
    check(status === 0, `dd: ${status} ${stderr}`);
    await mustBioscope('detach', device);
    check((await kernelStatus(device)) === null, 'the target is still there');
  },

  'nothing is left of them': async () => {
    await mustBioscope('daemon', 'stop');
    const left = await leftovers();
    check(left.length === 0, left.join('\n'));
  },
};

process.exit((await runTests(tests)) > 0 ? 1 : 0);
