// Targets and channels that are not Bioscope's own: made by hand, and as narrow as those of
// the first module.
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import {
  bioscopeWith,
  check,
  kernelStatus,
  leftovers,
  must,
  mustBioscope,
  run,
  runTests,
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

  'nothing is left of them': async () => {
    await mustBioscope('daemon', 'stop');
    const left = await leftovers();
    check(left.length === 0, left.join('\n'));
  },
};

process.exit((await runTests(tests)) > 0 ? 1 : 0);
