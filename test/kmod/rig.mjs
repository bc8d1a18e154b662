// Runs a script as root in a virtual machine that sees this machine's own file
// system (nothing it writes reaches it), on a kernel of our choice. QEMU's emulation
// serves where /dev/kvm does not, so everything is slow and ratios are what counts.
import { spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError, run } from '../../scripts/steps.mjs';
import { searchPath } from './kernels.mjs';

const here = dirname(fileURLToPath(import.meta.url));

/** What the guest's first steps need where it is not built into the kernel. */
const earlyModules = ['virtio_pci', '9pnet_virtio', '9p', 'overlay'];

/**
 * Where the guest's processors wait long for a real one: no panic over a timer that seems
 * dead at the start, no talk of lockups and stalls before minutes have passed.
 */
const patience =
  'no_timer_check sysctl.kernel.watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=300';

/**
 * With AVX2 emulated, some programs crash that run well without. ERMS and FSRM tell the
 * kernel and libc that copying a byte at a time is the fastest way, which it is on real
 * processors; the emulator does it a byte at a time, and a copy would cost eight times
 * what it does beside everything else.
 */
const processor = 'max,-avx2,-erms,-fsrm';

/** A line of the kernel's log that makes a test fail, however well it went otherwise. */
export const complaint =
  /BUG:|Oops|WARNING:|INFO: (task|rcu|trying)|KASAN|KFENCE|UBSAN|possible (recursive|circular|irq)|inconsistent lock|list_(del|add) corruption|refcount_t|general protection|Call Trace|sysfs: cannot create/;

/** The initial file system: busybox, guest/init, the early modules in order. */
async function makeInitialFiles(kernel, path) {
  const files = mkdtempSync(join(tmpdir(), 'bioscope-initramfs-'));
  try {
    for (const name of ['bin', 'modules', 'proc', 'sys', 'dev', 'run'])
      mkdirSync(join(files, name));
    const busybox = ['/bin/busybox', '/usr/bin/busybox'].find(existsSync);
    if (!busybox) throw new UserError('busybox is missing (Debian: busybox-static)');
    copyFileSync(busybox, join(files, 'bin/busybox'));
    symlinkSync('busybox', join(files, 'bin/sh'));
    copyFileSync(join(here, 'guest/init'), join(files, 'init'));
    chmodSync(join(files, 'init'), 0o755);
    const order = [];
    for (const name of kernel.tree ? earlyModules : []) {
      const shown = await run(
        'modprobe',
        ['-d', kernel.tree, '-S', kernel.release, '--show-depends', name],
        { env: { ...process.env, PATH: searchPath } },
      );
      for (const line of shown.split('\n')) {
        const source = /^insmod (\S+)/.exec(line)?.[1];
        if (!source) continue;
        const plain = basename(source).replace(/\.xz$/, '');
        if (order.includes(plain)) continue;
        order.push(plain);
        copyFileSync(source, join(files, 'modules', basename(source)));
        if (source.endsWith('.xz'))
          await run('xz', ['-d', join(files, 'modules', basename(source))]);
      }
    }
    if (order.length > 0) writeFileSync(join(files, 'modules/order'), `${order.join('\n')}\n`);
    await run('sh', ['-c', `cd "$1" && find . | cpio -o -H newc --quiet >"$2"`, 'sh', files, path]);
  } finally {
    rmSync(files, { recursive: true, force: true });
  }
}

const readIfThere = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : '');

/** Calls `onLine` for each line that the guest appends to `path`; returns what stops it. */
function follow(path, onLine) {
  let offset = 0;
  let rest = '';
  let reading = Promise.resolve();
  const look = async () => {
    if (!existsSync(path)) return;
    for await (const chunk of createReadStream(path, { start: offset })) {
      offset += chunk.length;
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      lines.forEach(onLine);
    }
  };
  const timer = setInterval(() => (reading = reading.then(look)), 500);
  return async () => {
    clearInterval(timer);
    await reading;
    await look();
  };
}

/**
 * @typedef {{
 *   code: number | undefined, stdout: string, dmesg: string, kmemleak: string,
 *   complaints: string[], ended: string, late: boolean,
 * }} Boot `code` is undefined where the guest died or hung; `ended` says how, in words;
 *   `late` that it did not end in its time.
 */

/**
 * Boots `kernel`, runs `script` (the text of a bash script; its working directory is
 * /out, which is `out` outside) and waits for the guest's end.
 *
 * @param {import('./kernels.mjs').Kernel} kernel
 * @param {{ script: string, out: string, seconds: number, memory?: string, processors?: number,
 *   onLine?: (line: string) => void }} options
 * @returns {Promise<Boot>}
 */
export async function boot(kernel, options) {
  const { script, out, seconds, memory = '3G', processors = 2, onLine } = options;
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'script'), script);
  writeFileSync(join(out, 'stdout'), '');
  writeFileSync(join(out, 'modules'), kernel.tree ? join(kernel.tree, 'lib/modules') : '');
  copyFileSync(join(here, 'guest/stage2'), join(out, 'stage2'));
  chmodSync(join(out, 'stage2'), 0o755);
  await makeInitialFiles(kernel, join(out, 'initramfs'));
  const share = (id, path, more = '') => [
    ...['-fsdev', `local,id=${id},path=${path},security_model=none${more}`],
    ...['-device', `virtio-9p-pci,fsdev=${id},mount_tag=host${id}`],
  ];
  const argv = [
    ...['-M', 'q35', '-accel', 'tcg,thread=multi', '-cpu', processor],
    ...['-smp', String(processors), '-m', memory, '-nodefaults', '-nographic', '-no-reboot'],
    ...['-kernel', kernel.image, '-initrd', join(out, 'initramfs')],
    ...['-serial', `file:${join(out, 'console')}`],
    ...share('root', '/', ',readonly=on,multidevs=remap'),
    ...share('out', out),
    // There is no speculation here to be defended against.
    ...['-append', `console=ttyS0 quiet panic=-1 oops=panic mitigations=off ${patience}`],
  ];
  const stop = onLine && follow(join(out, 'stdout'), onLine);
  let late = false;
  const ended = await new Promise((resolve) => {
    // Politely: whoever works at this machine goes first.
    const child = spawn('nice', ['-n', '19', 'qemu-system-x86_64', ...argv], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text) => (said += text));
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, seconds * 1000);
    const kill = () => child.kill('SIGKILL');
    process.on('exit', kill);
    const finish = (text) => {
      clearTimeout(timer);
      process.off('exit', kill);
      resolve(text);
    };
    child.on('error', (error) => finish(`QEMU could not be run: ${error.message}`));
    child.on('close', (code, signal) => {
      if (late) finish(`the guest did not end within ${seconds} s`);
      else finish(code === 0 ? '' : `QEMU ended with ${signal ?? code}: ${said.trim()}`);
    });
  });
  await stop?.();
  const console_ = readIfThere(join(out, 'console'));
  const codeText = readIfThere(join(out, 'code')).trim();
  const dmesg = codeText ? readIfThere(join(out, 'dmesg')) : console_;
  const kmemleak = readIfThere(join(out, 'kmemleak'));
  return {
    code: codeText ? Number(codeText) : undefined,
    stdout: readIfThere(join(out, 'stdout')),
    dmesg,
    kmemleak,
    complaints: dmesg.split('\n').filter((line) => complaint.test(line)),
    ended: codeText ? ended : ended || 'the guest stopped: a panic?',
    late,
  };
}
