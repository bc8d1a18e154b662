// `npm start -- IMAGE...`: sets up, builds, and opens the window with the images
// attached; where there is no display, the same job in the terminal.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join, resolve } from 'node:path';
import { UsageError, root, runMain, say } from './steps.mjs';
import { ensureSetup } from './setup.mjs';
import { describeRuntime, electronRuntime } from './electron-runtime.mjs';

const usage = `usage: npm start -- [options] [IMAGE...]

Sets the machine up (Debian packages, npm packages, build), then opens Bioscope
and attaches each IMAGE: a raw disk image or a block device. Without a display
it does so in the terminal and prints every request until Ctrl-C; without an
IMAGE it makes a demo disk there.

  --read-only        attach read-only
  --terminal         the terminal even where there is a display
  --retry-electron   try again to download the newest Electron
  --help             this text`;

const options = {
  '--read-only': 'readOnly',
  '--terminal': 'terminal',
  '--retry-electron': 'retry',
};

/** Options and images; images are relative to where npm was called, not to the project. */
function parse(words) {
  const chosen = { images: [] };
  const from = process.env.INIT_CWD || process.cwd();
  let onlyImages = false;
  for (const word of words) {
    if (word === '--' && !onlyImages) onlyImages = true;
    else if (onlyImages || !word.startsWith('-')) chosen.images.push(resolve(from, word));
    else if (options[word]) chosen[options[word]] = true;
    else throw new UsageError(`unknown option ${word}`);
  }
  return chosen;
}

/** Runs a program in the foreground: it gets our terminal and our signals, we its end. */
function foreground(program, parameters, env = process.env) {
  return new Promise((finished, failed) => {
    const child = spawn(program, parameters, { stdio: 'inherit', env });
    // Ctrl-C reaches the child by itself (same terminal); a `kill` of ours does not.
    const pass = (signal) => child.kill(signal);
    const ignore = () => {};
    process.on('SIGINT', process.stdin.isTTY ? ignore : pass);
    for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, pass);
    child.on('error', failed);
    child.on('close', (code, signal) => finished(code ?? 128 + (constants.signals[signal] ?? 0)));
  });
}

await runMain(
  async (words) => {
    const { images, readOnly, terminal, retry } = parse(words);
    await ensureSetup({ for: 'start' });
    const attach = readOnly ? ['--read-only'] : [];
    const hasDisplay = Boolean(process.env.DISPLAY || process.env.WAYLAND_DISPLAY);
    if (terminal || !hasDisplay) {
      if (!hasDisplay)
        say('there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set): in the terminal');
      return foreground(process.execPath, [
        join(root, 'dist/bioscope.cjs'),
        'demo',
        ...attach,
        ...(images.length ? ['--', ...images] : []),
      ]);
    }
    const runtime = await electronRuntime({ retry });
    say(describeRuntime(runtime));
    const flags = [];
    if (process.getuid() === 0) {
      say('running as root: Chromium refuses its sandbox there, so --no-sandbox');
      flags.push('--no-sandbox');
    }
    if (process.env.WAYLAND_DISPLAY) flags.push('--ozone-platform-hint=auto');
    // The daemon runs on this Node, as it would in a terminal.
    const env = { ...process.env, BIOSCOPE_NODE: process.execPath };
    return foreground(runtime.executable, [...flags, root, ...attach, '--', ...images], env);
  },
  () => usage,
);
