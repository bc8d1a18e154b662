// Runs a program for a check or a test suite and keeps what it said.
import { spawn } from 'node:child_process';
import { root } from './sources.mjs';

/**
 * @param {string} command
 * @param {string[]} argv
 * @param {{ env?: Record<string, string>, timeoutSeconds?: number, onLine?: (line: string) => void }} options
 * @returns {Promise<{ ok: boolean, status: string, output: string }>} `status` says in words how it ended.
 */
export function run(command, argv, { env = {}, timeoutSeconds, onLine } = {}) {
  return new Promise((resolve) => {
    // A process group of its own: a time-out must end the whole tree, make's compilers too.
    const child = spawn(command, argv, {
      cwd: root,
      detached: true,
      env: { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let late = false;
    let pending = '';
    const take = (chunk) => {
      output += chunk;
      if (!onLine) return;
      pending += chunk;
      const lines = pending.split('\n');
      pending = lines.pop() ?? '';
      lines.forEach(onLine);
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    const killGroup = (signal) => {
      try {
        process.kill(-child.pid, signal);
      } catch {
        // It has ended in the meantime.
      }
    };
    const timers = [];
    if (timeoutSeconds !== undefined) {
      const end = () => {
        late = true;
        killGroup('SIGTERM');
        timers.push(setTimeout(killGroup, 10_000, 'SIGKILL'));
      };
      timers.push(setTimeout(end, timeoutSeconds * 1000));
    }
    const interrupted = () => killGroup('SIGINT');
    process.on('SIGINT', interrupted);
    const finish = (ok, status) => {
      timers.forEach(clearTimeout);
      process.off('SIGINT', interrupted);
      resolve({ ok, status, output });
    };
    child.on('error', (error) => finish(false, `${command} could not be run: ${error.message}`));
    child.on('close', (code, signal) => {
      if (late) finish(false, `ended after ${timeoutSeconds} s without an answer`);
      else if (signal) finish(false, `killed by ${signal}`);
      else finish(code === 0, `exit code ${code}`);
    });
  });
}
