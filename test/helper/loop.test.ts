/** A FUSE connection and a loop device through the helper, and a daemon that goes away at each step. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { NativeDisk } from '../../app/addon/addon';
import * as wire from '../../app/contract/wire.gen';
import { command, until } from '../support/commands';
import { projectDirectory } from '../support/project';
import { addon, openImage, RealHelper } from './real-helper';

const EPERM = 1;
const EIO = 5;
const EBUSY = 16;
const MEBIBYTE = 1 << 20;

let directory: string;
let fileName: string;
let helper: RealHelper;
let disk: NativeDisk | null;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bioscope-loop-'));
  fileName = `${basename(directory)}.img`;
  helper = new RealHelper('fuse-loop');
  disk = null;
});
afterEach(async () => {
  await helper.end();
  await disk?.close();
  expect(loops()).toEqual([]);
  expect(workers()).toEqual([]);
  rmSync(directory, { recursive: true });
});

/** Loop devices over the file of this test. */
const loops = () =>
  readdirSync('/sys/block').filter((device) => {
    try {
      const file = readFileSync(`/sys/block/${device}/loop/backing_file`, 'utf8');
      return file.trim() === `/${fileName}`;
    } catch {
      return false;
    }
  });

/** Processes that the helper has forked and not yet reaped. */
function workers(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === helper.pid;
      } catch {
        return false;
      }
    });
}

/** Processes that have it open. */
function holders(device: string): number[] {
  const hasOpen = (pid: number) => {
    try {
      return readdirSync(`/proc/${pid}/fd`).some((fd) => {
        try {
          return readlinkSync(`/proc/${pid}/fd/${fd}`) === device;
        } catch {
          return false;
        }
      });
    } catch {
      return false;
    }
  };
  return readdirSync('/proc').map(Number).filter(Number.isInteger).filter(hasOpen);
}

/** False for a zombie too: whoever inherits it may be slow to reap it. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function mount(): Promise<{ readonly handle: number; readonly connection: number }> {
  const reply = await helper.answer({ verb: wire.BIOSCOPE_HELPER_FUSE_MOUNT });
  const connection = helper.replies.pop()?.descriptors[0];
  if (reply === null || connection === undefined) throw new Error('no FUSE connection');
  return { handle: reply.handle, connection };
}

const attachment = (handle: number, name = fileName) => ({
  verb: wire.BIOSCOPE_HELPER_LOOP_ATTACH,
  handle,
  name,
  label: 'bioscope:test:1',
});

/** Serves an image of one MiB on a connection. */
async function serve(connection: number): Promise<void> {
  const image = join(directory, 'image');
  writeFileSync(image, Buffer.alloc(MEBIBYTE, 'x'));
  disk = await openImage(image, directory);
  await disk.startFuse({ fuse: connection, fileName, ownerUid: 0, ownerGid: 0 });
}

describe('a loop device through the helper', () => {
  test('serves the image, bears the label, and goes when it is detached', async () => {
    const { handle, connection } = await mount();
    await serve(connection);
    const attached = await helper.answer(attachment(handle));
    expect(attached).toMatchObject({ errno: 0 });
    const device = attached?.name ?? '';
    expect(loops()).toEqual([basename(device)]);
    expect(await helper.answer({ verb: wire.BIOSCOPE_HELPER_FUSE_UNMOUNT, handle })).toMatchObject({
      errno: 0,
    });
    const status = { verb: wire.BIOSCOPE_HELPER_LOOP_STATUS, name: device };
    expect(await helper.answer(status)).toMatchObject({ errno: 0, label: 'bioscope:test:1' });
    expect(readFileSync(device).subarray(0, 4).toString()).toBe('xxxx');
    // In the kernel it says whose it is.
    expect((await addon.loopStatus(device))?.label).toBe('bioscope@0:test:1');
    const detach = { verb: wire.BIOSCOPE_HELPER_LOOP_DETACH, name: device };
    expect(await helper.answer(detach)).toMatchObject({ errno: 0 });
    expect(loops()).toEqual([]);
  });

  test('is not detached for somebody whose label it does not bear', async () => {
    const image = join(directory, fileName);
    writeFileSync(image, Buffer.alloc(MEBIBYTE));
    const labels = ['bioscope:root', 'bioscope@1000:d1', 'losetup'];
    for (const label of labels) {
      const device = await addon.attachLoop({ path: image, readOnly: true, label });
      const detach = { verb: wire.BIOSCOPE_HELPER_LOOP_DETACH, name: device };
      for (const flags of [0, wire.BIOSCOPE_HELPER_FORCE]) {
        expect(await helper.answer({ ...detach, flags })).toMatchObject({
          errno: EPERM,
          step: 'label',
        });
      }
      expect((await addon.loopStatus(device))?.label).toBe(label);
      await addon.detachLoop({ device, force: false });
    }
  });

  test('is not made over a file that is not served', async () => {
    const { handle, connection } = await mount();
    await serve(connection);
    expect(await helper.answer(attachment(handle, 'another.img'))).toMatchObject({
      errno: 2,
      step: 'open',
    });
  });
});

/** The helper, but that a process of it is killed as soon as this call of ioctl(2) has succeeded. */
function helperDyingAfter(step: string, out: string): string {
  const paths = join(out, 'paths.c');
  const program = join(projectDirectory, 'native/helper/program');
  writeFileSync(
    paths,
    `#include "${program}/paths.c"
#include <fcntl.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int ioctl(int fd, unsigned long request, ...)
{
	va_list rest;
	va_start(rest, request);
	void *argument = va_arg(rest, void *);
	va_end(rest);
	int result = (int)syscall(SYS_ioctl, fd, request, argument);
	if (result == 0 && request == ${step}) {
		close(open("${out}/died", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		raise(SIGKILL);
	}
	return result;
}
`,
  );
  execFileSync('make', ['-C', program, `OUT=${out}`, `PATHS=${paths}`]);
  return join(out, 'bioscope-helper');
}

/** Somebody who has the device open, and may ask for its end himself. */
async function borrow(device: string) {
  const script = join(projectDirectory, 'test/helper/borrower.py');
  const borrower = spawn('/usr/bin/python3', [script, device], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(borrower, 'close');
  let said = '';
  borrower.stdout.on('data', (text: Buffer) => (said += text.toString()));
  await until('it is open', () => said === 'open\n');
  return {
    pid: borrower.pid ?? 0,
    clear: async () => {
      borrower.stdin.write('clear\n');
      await until('it was asked for', () => said.endsWith('clear\n'));
    },
    letGo: async () => {
      borrower.stdin.end();
      await ended;
    },
  };
}

describe('a device that its user has open', () => {
  const attached = async () => {
    const { handle, connection } = await mount();
    await serve(connection);
    const reply = await helper.answer(attachment(handle));
    expect(reply).toMatchObject({ errno: 0 });
    return reply?.name ?? '';
  };
  const detach = (name: string, flags = 0) =>
    helper.answer({ verb: wire.BIOSCOPE_HELPER_LOOP_DETACH, name, flags });

  test('is not cleared under him when he asks for it, and can be detached as he lets go', async () => {
    const device = await attached();
    const borrower = await borrow(device);
    // Before Linux 6.11 he would keep an open device that is free for the next.
    await borrower.clear();
    expect(loops()).toEqual([basename(device)]);
    await borrower.letGo();
    expect(loops()).toEqual([basename(device)]);
    expect(await detach(device)).toMatchObject({ errno: 0 });
    expect(loops()).toEqual([]);
  });

  test('is held by the helper after its socket has ended, until he lets go', async () => {
    const device = await attached();
    const borrower = await borrow(device);
    let over = false;
    const ended = helper.end().then((end) => {
      over = true;
      return end;
    });
    await disk?.close();
    disk = null;
    await borrower.clear();
    expect(loops()).toEqual([basename(device)]);
    expect(over).toBe(false);
    await borrower.letGo();
    expect(await ended).toMatchObject({ status: 0 });
    await until('the loop device is gone', () => loops().length === 0);
  });

  test('goes as he lets go after a forced detach as well, and the helper is free for others', async () => {
    const device = await attached();
    const borrower = await borrow(device);
    const forced = await detach(device, wire.BIOSCOPE_HELPER_FORCE);
    expect(forced).toMatchObject({ errno: EBUSY, step: 'wait' });
    await borrower.clear();
    expect(loops()).toEqual([basename(device)]);
    expect(workers()).toEqual([]);
    // By no process but the helper itself: there is no limit to how often this can be done.
    const others = holders(device).filter((pid) => pid !== borrower.pid);
    expect(others).toEqual([helper.pid]);
    expect(await helper.answer({ verb: wire.BIOSCOPE_HELPER_HELLO })).toMatchObject({ errno: 0 });
    await borrower.letGo();
    await until('the loop device is gone', () => loops().length === 0);
    expect(holders(device)).not.toContain(helper.pid);
  });

  test('stays the helper’s when the worker that detaches it dies', async () => {
    const device = await attached();
    const borrower = await borrow(device);
    const first = helper.send({ verb: wire.BIOSCOPE_HELPER_LOOP_DETACH, name: device });
    await until('a worker is at it', () => workers().length === 1);
    expect(await detach(device)).toMatchObject({ errno: EBUSY, step: 'another detach' });
    const [worker] = workers();
    process.kill(worker ?? 0, 'SIGKILL');
    const reply = () => helper.replies.find(({ id }) => id === first);
    await until('its end is told', () => reply() !== undefined);
    expect(reply()).toMatchObject({ errno: EIO, step: "the helper's worker" });
    // Held by nobody, it would go as he lets go.
    await borrower.letGo();
    expect(loops()).toEqual([basename(device)]);
    expect(holders(device)).toContain(helper.pid);
    expect(await detach(device)).toMatchObject({ errno: 0 });
    expect(loops()).toEqual([]);
  });

  test('is known for the helper’s own whatever he makes of its label', async () => {
    const device = await attached();
    // losetup has no words for it: LOOP_SET_STATUS64 with another name.
    await command('/usr/bin/python3', '-c', relabel, device);
    expect((await addon.loopStatus(device))?.label).toBe('bioscope@1:another');
    expect(await detach(device)).toMatchObject({ errno: 0 });
  });
});

/** struct loop_info64: 232 bytes, lo_file_name at 56. */
const relabel = `
import fcntl, sys
with open(sys.argv[1], "r+b", buffering=0) as device:
    info = bytearray(232)
    fcntl.ioctl(device, 0x4C05, info)
    info[56:120] = b"bioscope@1:another".ljust(64, b"\\0")
    fcntl.ioctl(device, 0x4C04, info)
`;

describe('when the daemon goes away', () => {
  test('after the mount, nothing is left', async () => {
    const { connection } = await mount();
    expect(await helper.end()).toMatchObject({ status: 0 });
    closeSync(connection);
  });

  test('with the loop device made, that goes too', async () => {
    const { handle, connection } = await mount();
    await serve(connection);
    await helper.answer(attachment(handle));
    expect(loops()).toHaveLength(1);
    expect(await helper.end()).toMatchObject({ status: 0 });
    await until('the loop device is gone', () => loops().length === 0);
  });

  test('with the worker that attaches dying as soon as it has, nothing is left', async () => {
    await helper.end();
    const program = helperDyingAfter('LOOP_CONFIGURE', directory);
    helper = new RealHelper('fuse-loop', { program });
    const { handle, connection } = await mount();
    await serve(connection);
    const reply = await helper.answer(attachment(handle));
    expect(reply).toMatchObject({ errno: EIO, step: "the helper's worker" });
    expect(existsSync(join(directory, 'died'))).toBe(true);
    await until('the loop device is gone', () => loops().length === 0);
    expect(await helper.answer({ verb: wire.BIOSCOPE_HELPER_HELLO })).toMatchObject({ errno: 0 });
  });

  test('with its image still being opened, which it does not answer, nobody waits for it', async () => {
    const { handle, connection } = await mount();
    helper.send(attachment(handle));
    await until('a worker is at it', () => workers().length === 1);
    // The helper itself is not held up.
    expect(await helper.answer({ verb: wire.BIOSCOPE_HELPER_HELLO })).toMatchObject({ errno: 0 });
    const [worker] = workers();
    expect(await helper.end()).toMatchObject({ status: 0 });
    await until('the worker is gone', () => !isRunning(worker ?? 0));
    closeSync(connection);
  });
});
