import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BioscopeError, type ErrorCode } from '../../../app/contract/errors';
import { imageError } from '../../../app/daemon/images/image-errors';
import { inspectImage } from '../../../app/daemon/images/inspect-image';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bioscope-test-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function file(name: string, content: Buffer | string = Buffer.alloc(1024)): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

async function refused(path: string, code: ErrorCode, message: string, readOnly = false) {
  const thrown: unknown = await inspectImage(path, readOnly).then(
    () => null,
    (error: unknown) => error,
  );
  if (!(thrown instanceof BioscopeError)) throw new Error(`not refused: ${String(thrown)}`);
  expect(thrown.value.code).toBe(code);
  expect(thrown.message).toBe(message);
}

describe('an image is refused when it', () => {
  test('does not exist', () =>
    refused('/nowhere/disk.img', 'IMAGE_MISSING', '/nowhere/disk.img does not exist.'));

  test('is below something that is no directory', async () => {
    const path = join(file('a'), 'b');
    await refused(
      path,
      'IMAGE_MISSING',
      `${path} does not exist: a part of its path is not a directory.`,
    );
  });

  test('has a name that is not UTF-8, also at the end of a link', async () => {
    const odd = Buffer.concat([Buffer.from(`${directory}/odd`), Buffer.from([0xff])]);
    writeFileSync(odd, Buffer.alloc(1024));
    const shown = `${directory}/odd\ufffd`;
    const message = `${shown} cannot be found: its name seems to hold bytes that are not UTF-8. Rename it (or its directory) first.`;
    await refused(shown, 'IMAGE_MISSING', message);
    const link = join(directory, 'link');
    symlinkSync(odd, link);
    await refused(link, 'IMAGE_MISSING', message);
  });

  test('is a circle of links', async () => {
    const path = join(directory, 'loop');
    symlinkSync('loop', path);
    await refused(
      path,
      'IMAGE_MISSING',
      `${path} cannot be found: its symbolic links lead in a circle.`,
    );
  });

  test('has a path too long to exist', async () => {
    const path = join(directory, 'x'.repeat(300));
    await refused(path, 'IMAGE_MISSING', `${path} cannot exist: its path is too long.`);
  });

  test('has a path with a zero byte, which is shown as an escape', () =>
    refused('/a\0b', 'IMAGE_MISSING', '"/a\\u0000b" is not a path: it holds a zero byte.'));

  test('is a relative path', () =>
    refused(
      'disk.img',
      'IMAGE_MISSING',
      'disk.img is not an absolute path, and the daemon has no directory of yours to look in. Give the whole path.',
    ));

  test('is empty', async () => {
    const path = file('empty', '');
    await refused(
      path,
      'IMAGE_EMPTY',
      `${path} is empty: a device of no sectors cannot be made. For a blank disk give it a size first, e.g. truncate -s 1G.`,
    );
  });

  test('is smaller than a sector', async () => {
    const path = file('small', 'x'.repeat(511));
    await refused(
      path,
      'IMAGE_TOO_SMALL',
      `${path} has 511 bytes, less than one sector of 512. Is it truncated?`,
    );
  });

  test('is a directory', () =>
    refused(
      directory,
      'IMAGE_NOT_A_FILE',
      `${directory} is a directory. Only a regular file or a block device can be attached.`,
    ));

  test('is a named pipe, without waiting for a writer', async () => {
    const path = join(directory, 'pipe');
    execFileSync('mkfifo', [path]);
    await refused(
      path,
      'IMAGE_NOT_A_FILE',
      `${path} is a named pipe. Only a regular file or a block device can be attached.`,
    );
  });

  test('is a character device', () =>
    refused(
      '/dev/zero',
      'IMAGE_NOT_A_FILE',
      '/dev/zero is a character device. Only a regular file or a block device can be attached.',
    ));

  test('is a socket', async () => {
    const path = join(directory, 'socket');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    try {
      await refused(
        path,
        'IMAGE_NOT_A_FILE',
        `${path} is a socket. Only a regular file or a block device can be attached.`,
      );
    } finally {
      server.close();
    }
  });

  test('is read-only and asked for read-write, by root too', async () => {
    const path = file('read-only');
    chmodSync(path, 0o444);
    await refused(
      path,
      'IMAGE_NOT_WRITABLE',
      `${path} is read-only (mode 0444). Attach it read-only, or make it writable first (chmod u+w).`,
    );
    expect((await inspectImage(path, true)).readOnly).toBe(true);
  });
});

test.each([
  ['EROFS', false, 'IMAGE_NOT_WRITABLE', 'or the file system it is on, is read-only'],
  ['EACCES', true, 'IMAGE_UNREADABLE', 'may not be read by this user (EACCES)'],
  ['EPERM', false, 'IMAGE_NOT_WRITABLE', 'may not be written by this user (EPERM)'],
  ['ETXTBSY', false, 'IMAGE_IN_USE', 'in use by the kernel'],
  ['EIO', true, 'IMAGE_UNREADABLE', 'cannot be read (EIO)'],
] as const)('errno %s (read-only %s) is %s', (errno, readOnly, code, words) => {
  const cause = Object.assign(new Error(errno), { code: errno });
  const error = imageError(cause, { path: '/disk.img', readOnly });
  if (!(error instanceof BioscopeError)) throw new Error('not a BioscopeError');
  expect(error.value).toMatchObject({ code, errno });
  expect(error.message).toContain('/disk.img');
  expect(error.message).toContain(words);
});

describe('an image is accepted', () => {
  test('by any path to it, which are told to be the same', async () => {
    const path = file('disk.img');
    const link = join(directory, 'link');
    symlinkSync(path, link);
    const hard = join(directory, 'hard');
    linkSync(path, hard);
    const [a, b, c] = await Promise.all(
      [path, link, hard].map((name) => inspectImage(name, false)),
    );
    expect(b).toEqual(a);
    expect(c?.identity).toBe(a?.identity);
    expect(a).toMatchObject({ path, name: 'disk.img', kind: 'file', notes: [] });
  });

  test('whatever characters its path has', async () => {
    for (const name of ['new\nline', 'quo"te\'s', 'пример 🙂', ' ', '-r', 'x'.repeat(255)]) {
      expect((await inspectImage(file(name), false)).name).toBe(name);
    }
    const deep = join(directory, ...Array<string>(15).fill('d'.repeat(200)));
    mkdirSync(deep, { recursive: true });
    const path = join(deep, 'disk.img');
    writeFileSync(path, Buffer.alloc(512));
    expect((await inspectImage(path, false)).path).toBe(path);
  });

  test.each([
    [Buffer.from('QFI\xfb', 'latin1'), 'a QCOW image'],
    [Buffer.from('\x1f\x8b', 'latin1'), 'a gzip archive'],
    [Buffer.from('KDMV', 'latin1'), 'a VMDK image'],
  ])('but a container of another format is pointed out (%#)', async (start, name) => {
    const path = file('disk.img', Buffer.concat([start, Buffer.alloc(1024)]));
    expect((await inspectImage(path, false)).notes).toEqual([
      `This looks like ${name}. It is attached as raw bytes: the device is the container, not the disk inside it.`,
    ]);
  });
});
