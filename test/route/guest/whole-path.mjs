// The whole path in a guest that has the module: the command line, the daemon, the engine,
// the helper and the kernel, as root.
import { mkdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import {
  attach,
  bioscope,
  bioscopeAlone,
  check,
  daemonPid,
  disks,
  kernelStatus,
  leftovers,
  manyFiles,
  must,
  mustBioscope,
  requests,
  run,
  runTests,
  startDaemon,
  traceOf,
  traced,
  until,
} from './tools.mjs';
import { changeUnderLoad } from './planned-changes.mjs';
import { answered, now, processBegan, summary } from './times.mjs';

const KILLS = 20;
const image = '/dev/shm/disk.img';
const mountPoint = '/mnt/bioscope-test';
const file = `${mountPoint}/fio`;
let disk;

/** One pass of random writes, then of reading them back. */
const fio = (...more) =>
  run(
    'fio',
    ...['--name=verify', `--filename=${file}`, '--size=8M', '--rw=randwrite'],
    ...['--bsrange=4k-64k', '--ioengine=libaio', '--iodepth=16', '--direct=1'],
    ...['--verify=crc32c', '--verify_fatal=1', '--do_verify=1', '--fsync=64', ...more],
  );

/** Kills the daemon at a moment when it has work. */
async function killUnderLoad() {
  const { completed } = await kernelStatus(disk.device);
  await until('the daemon answers requests', async () => {
    const now = await kernelStatus(disk.device);
    return now.state === 'ready' && now.completed > completed + 20;
  });
  process.kill(daemonPid(), 'SIGKILL');
  await until('the target waits', async () => (await kernelStatus(disk.device)).channels === 0);
}

/** Reads the device's first block past the page cache; must succeed. */
const readOnce = (device) =>
  must('dd', `if=${device}`, 'of=/dev/null', 'bs=4k', 'count=1', 'iflag=direct');

/** What comes after the start of the next daemon. */
const steps = {
  made: 'its process',
  adopted: 'its channels',
  answered: 'its first answer',
  read: 'the end of the read that waited',
};

/** How long after its beginning each start of a daemon came to what. */
async function timesOf(starts, { gaps }) {
  check(gaps.length === starts.length, `${gaps.length} gaps of ${starts.length} kills`);
  const rows = await answered(disk);
  return starts.map(({ byCommand, begun, made, read }, index) => {
    const { to } = gaps[index];
    const adopted = Number(BigInt(to)) / 1e6;
    const first = rows.find(({ arrival }) => arrival >= adopted);
    const of = { made, adopted, answered: first.completion, read };
    const since = Object.entries(of).map(([step, time]) => [step, time - begun]);
    return { byCommand, ...Object.fromEntries(since) };
  });
}

const tests = {
  'doctor finds the route and everything it needs': async () => {
    const machine = JSON.parse(await mustBioscope('doctor', '--json'));
    const [first] = machine.routes;
    check(first.name === 'dm-user' && first.preferred, JSON.stringify(machine.routes));
    const missing = machine.checks.filter(
      ({ finding, routes }) => finding === 'missing' && routes.includes('dm-user'),
    );
    check(missing.length === 0, JSON.stringify(missing));
  },

  'an image becomes a target without being asked for': async () => {
    writeFileSync(image, '');
    truncateSync(image, 96 << 20);
    disk = await attach(image);
    check(
      disk.route === 'dm-user',
      `the route is ${disk.route}: ${disk.routeReason ?? disk.notes}`,
    );
    check(statSync(disk.device).isBlockDevice(), `${disk.device} is no block device`);
    check((await must('blockdev', '--getsize64', disk.device)).trim() === disk.size, 'the size');
    const table = await must('dmsetup', 'table', disk.device.replace('/dev/mapper/', ''));
    check(/ user .* discards/.test(table) && / write_zeroes/.test(table), table);
  },

  'a file system on it works, and its requests are traced with their flags': async () => {
    await must('mkfs.ext4', '-q', '-b', '4096', disk.device);
    mkdirSync(mountPoint, { recursive: true });
    await must('mount', disk.device, mountPoint);
    await must('cp', '-r', manyFiles, `${mountPoint}/files`);
    await must('sync', '-f', mountPoint);
    await must('fstrim', mountPoint);
    const rows = await requests(disk);
    const seen = (operation, ...flags) =>
      rows.some((row) => row.operation === operation && flags.every((f) => row.flags.includes(f)));
    for (const [operation, ...flags] of [
      ['read'],
      ['read', 'META'],
      ['write'],
      ['write', 'SYNC'],
      ['write', 'FUA'],
      ['flush'],
      ['discard'],
    ])
      check(seen(operation, ...flags), `no ${operation} ${flags.join(' ')} in ${rows.length} rows`);
    const failed = rows.filter(({ result }) => result !== 'ok');
    check(failed.length === 0, JSON.stringify(failed.slice(0, 3)));
    const { errors, unsupported } = await kernelStatus(disk.device);
    check(errors === 0 && unsupported === 0, `${errors} errors, ${unsupported} unsupported`);
  },

  [`the daemon killed ${KILLS} times under fio verify on ext4: no error`]: async () => {
    let done = false;
    let passes = 0;
    const load = (async () => {
      while (!done) {
        // At a rate that leaves an emulated processor room for starting daemons.
        const { status, stdout, stderr } = await fio('--rate_iops=300');
        check(status === 0, `fio: status ${status}\n${stdout}${stderr}`);
        passes++;
      }
    })();
    // Its failure is told below, after what it is about.
    load.catch(() => undefined);
    const starts = [];
    for (let kills = 0; kills < KILLS; kills++) {
      await Promise.race([killUnderLoad(), load]);
      const reading = readOnce(disk.device);
      await until('it waits', async () => (await kernelStatus(disk.device)).queued > 0);
      const begun = now();
      // Now and then the next command is what starts the next daemon.
      const byCommand = kills % 5 === 4;
      if (byCommand) await disks();
      else startDaemon();
      await reading;
      starts.push({ byCommand, begun, read: now(), made: processBegan(daemonPid()) });
    }
    done = true;
    await load;
    const status = await kernelStatus(disk.device);
    check(status.errors === 0 && status.aborted === 0, JSON.stringify(status));
    check(status.requeued > 0, 'no kill came while a request was being served');
    const [entry] = await disks();
    check(entry.state === 'attached' && entry.id === disk.id, JSON.stringify(entry));
    check(
      entry.notes.some((note) => /ended unexpectedly; another has served it since/.test(note)),
      'the gap is not told',
    );
    const times = await timesOf(starts, entry);
    const idle = now();
    await must(process.execPath, '-e', '0');
    console.log(`# a Node that does nothing takes ${(now() - idle).toFixed(0)} ms here`);
    for (const byCommand of [false, true]) {
      const of = times.filter((one) => one.byCommand === byCommand);
      const from = byCommand ? 'the command that starts the next daemon' : 'its start';
      for (const [step, words] of Object.entries(steps))
        console.log(`# from ${from} to ${words}: ${summary(of.map((one) => one[step]))}`);
    }
    return `${passes} passes of fio, ${status.requeued} requests handed on`;
  },

  'the trace of all those daemons is one': async () => {
    const trace = await traceOf(disk);
    const rows = trace('request');
    const sequences = rows.map(({ sequence }) => BigInt(sequence));
    check(new Set(sequences).size === sequences.length, 'a sequence number came twice');
    check(
      sequences.some((number) => number === 1n),
      'the first request is no longer there',
    );
    const { completed } = await kernelStatus(disk.device);
    const lost = completed - rows.length;
    const [{ gaps }] = await disks();
    check(gaps.length > 0, 'no gap is known');
    const kept = '/dev/shm/kept.bioscope';
    await mustBioscope('record', '--last', '1000000', '-o', kept, disk.device);
    for (const [what, one] of Object.entries({ trace, capture: await traced(kept) })) {
      const told = one('gap');
      check(told.length === gaps.length, `${told.length} of ${gaps.length} gaps: ${what}`);
    }
    rmSync(kept);
    return `${rows.length} rows of ${completed} requests that the kernel counts (${lost} were answered and not yet recorded as a daemon died, or are new)`;
  },

  'planned changes of daemons under load lose nothing': () => changeUnderLoad(disk),

  'a mounted disk is not detached, and names its mount': async () => {
    const { status, stderr } = await bioscope('detach', disk.id);
    check(status === 1, 'it was detached');
    check(stderr.includes(`is mounted at ${mountPoint}`), stderr);
    check((await kernelStatus(disk.device)).state === 'ready', 'it is no longer served');
  },

  'an image that grew makes a larger device, while it is mounted': async () => {
    truncateSync(image, 128 << 20);
    await mustBioscope('resize', disk.id);
    check(Number(await must('blockdev', '--getsize64', disk.device)) === 128 << 20, 'the size');
    await must('resize2fs', disk.device);
    const { stdout } = await fio();
    check(/err= 0/.test(stdout), stdout);
  },

  'requests that nobody can serve wait, are told of, and fail on demand': async () => {
    const other = '/dev/shm/lost.img';
    writeFileSync(other, '');
    truncateSync(other, 4 << 20);
    const lost = await attach(other);
    process.kill(daemonPid(), 'SIGKILL');
    rmSync(other);
    await until('nobody serves', async () => (await kernelStatus(lost.device)).channels === 0);
    const words = [`if=${lost.device}`, 'of=/dev/null', 'bs=4k', 'count=1', 'iflag=direct'];
    const waits = () => until('it waits', async () => (await kernelStatus(lost.device)).queued > 0);
    const first = run('dd', ...words);
    await waits();
    // No daemon can be started: the command line does it itself.
    const alone = await bioscopeAlone('abort', lost.device);
    check(alone.status === 0, `${alone.stdout}${alone.stderr}`);
    check(/daemon\.cjs is missing/.test(alone.stderr), alone.stderr);
    const { status: end, stderr: said } = await first;
    check(end === 1 && /Input\/output error/.test(said), `dd: ${end} ${said}`);
    const reading = run('dd', ...words);
    const failed = await until('it is told', async () =>
      (await disks()).find(({ id, state }) => id === lost.id && state === 'failed'),
    );
    check(failed.hanging === true, JSON.stringify(failed));
    check(
      /does not exist.*every request to .* waits/.test(failed.failure.message),
      failed.failure.message,
    );
    await waits();
    await mustBioscope('abort', lost.id);
    const { status, stderr } = await reading;
    check(status === 1 && /Input\/output error/.test(stderr), `dd: ${status} ${stderr}`);
    await mustBioscope('detach', lost.id);
    check((await kernelStatus(lost.device)) === null, 'the target is still there');
    // The other disk was served on all the while.
    const { stdout } = await fio();
    check(/err= 0/.test(stdout), stdout);
  },

  'deferred it goes with its last user, and the file system is whole': async () => {
    await mustBioscope('detach', '--deferred', disk.id);
    check((await kernelStatus(disk.device)).state === 'ready', 'it is gone while mounted');
    await must('umount', mountPoint);
    await until('the disk is gone', async () => (await disks()).length === 0);
    check((await kernelStatus(disk.device)) === null, 'the target is still there');
    await must('e2fsck', '-fn', image);
  },

  'nothing is left': async () => {
    await mustBioscope('daemon', 'stop');
    await until('the daemon ends', () => daemonPid() === null);
    const left = await leftovers();
    check(left.length === 0, left.join('\n'));
  },
};

process.exit((await runTests(tests)) > 0 ? 1 : 0);
