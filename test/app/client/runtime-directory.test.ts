import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  findRuntimeDirectory,
  hasLeftovers,
  prepareRuntimeDirectory,
  runtimeDirectoryPath,
} from '../../../app/client/runtime-directory';
import { BioscopeError } from '../../../app/contract/errors';

const uid = process.getuid?.() ?? 0;
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bioscope-test-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (thrown) {
    if (!(thrown instanceof BioscopeError)) throw thrown;
    expect(thrown.value.code).toBe('RUNTIME_DIRECTORY');
    expect(thrown.message).toContain('BIOSCOPE_RUNTIME_DIRECTORY');
    return thrown.message;
  }
  throw new Error('it was not refused');
}

describe('where the runtime directory is', () => {
  test('BIOSCOPE_RUNTIME_DIRECTORY goes before all else', () => {
    const environment = { BIOSCOPE_RUNTIME_DIRECTORY: '/chosen', XDG_RUNTIME_DIR: directory };
    expect(runtimeDirectoryPath(environment, uid)).toBe('/chosen');
  });

  test('it must be an absolute path', () => {
    const environment = { BIOSCOPE_RUNTIME_DIRECTORY: 'run' };
    expect(refusal(() => runtimeDirectoryPath(environment, uid))).toContain('"run"');
  });

  test('then a directory in XDG_RUNTIME_DIR, if that is ours', () => {
    const environment = { XDG_RUNTIME_DIR: directory };
    expect(runtimeDirectoryPath(environment, uid)).toBe(join(directory, 'bioscope'));
    // Somebody else's, left over by su: root's files in it would lock its owner out.
    expect(runtimeDirectoryPath(environment, 424242)).toBe('/tmp/bioscope-424242');
  });

  test('then /run/bioscope for root', () => {
    const expected = statSync('/run/user/0', { throwIfNoEntry: false })
      ? '/run/user/0/bioscope'
      : '/run/bioscope';
    expect(runtimeDirectoryPath({}, 0)).toBe(expected);
  });
});

describe('making the runtime directory', () => {
  const prepare = (path: string, as = uid) =>
    prepareRuntimeDirectory({ BIOSCOPE_RUNTIME_DIRECTORY: path }, as);

  test('it and what is in it is for its owner alone', () => {
    const paths = prepare(join(directory, 'a/b'));
    for (const path of [paths.directory, paths.traces, paths.mounts]) {
      expect(statSync(path).mode & 0o777).toBe(0o700);
    }
    expect(paths.socket).toBe(join(directory, 'a/b/daemon.sock'));
  });

  test('one that others may enter is closed to them', () => {
    chmodSync(directory, 0o755);
    expect(statSync(prepare(directory).directory).mode & 0o777).toBe(0o700);
  });

  test('a symbolic link is refused', () => {
    const link = join(directory, 'link');
    mkdirSync(join(directory, 'real'));
    symlinkSync(join(directory, 'real'), link);
    expect(refusal(() => prepare(link))).toContain(`${link} is a symbolic link`);
  });

  test("somebody else's is refused, also when only looking for a daemon in it", () => {
    expect(refusal(() => prepare(directory, uid + 1))).toContain(`belongs to user ${uid}`);
    const environment = { BIOSCOPE_RUNTIME_DIRECTORY: directory };
    expect(refusal(() => findRuntimeDirectory(environment, uid + 1))).toContain('belongs to');
  });

  test('a file in its place is refused', () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    expect(refusal(() => prepare(file))).toContain(`${file} is not a directory`);
    expect(refusal(() => prepare(join(file, 'below')))).toContain('cannot be made (ENOTDIR)');
  });

  test('where nothing can be made, the path and the reason are named', () => {
    // Not even root makes directories here.
    expect(refusal(() => prepare('/proc/bioscope'))).toMatch(
      /\/proc\/bioscope cannot be made \(ENOENT|EACCES\)/,
    );
  });

  test('a path too long for a socket is refused', () => {
    const long = join(directory, 'x'.repeat(100));
    expect(refusal(() => prepare(long))).toContain('too long a path for a Unix socket');
  });
});

test('leftovers are seen only in a state file that names disks', () => {
  const paths = prepareRuntimeDirectory({ BIOSCOPE_RUNTIME_DIRECTORY: directory }, uid);
  expect(hasLeftovers(paths)).toBe(false);
  writeFileSync(paths.state, '{"disks":[]}');
  expect(hasLeftovers(paths)).toBe(false);
  writeFileSync(paths.state, '{"disks":[{}]}');
  expect(hasLeftovers(paths)).toBe(true);
  writeFileSync(paths.state, '{"disks":');
  expect(hasLeftovers(paths)).toBe(false);
});
