/** Programs that a test runs, and waiting. */
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Runs a program to its end; its standard output. Rejects with what it said. */
export async function command(program: string, ...parameters: string[]): Promise<string> {
  const { stdout } = await execute(program, parameters, { maxBuffer: 64 << 20 });
  return stdout;
}

/** True when a program of this name can be run. */
export function hasProgram(name: string): boolean {
  try {
    execFileSync('which', [name], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Starts a program; `ended` resolves to its exit status and all it said. */
export function background(
  program: string,
  ...parameters: string[]
): { child: ChildProcess; ended: Promise<{ status: number | null; output: string }> } {
  const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (text: Buffer) => (output += text.toString()));
  child.stderr.on('data', (text: Buffer) => (output += text.toString()));
  const ended = new Promise<{ status: number | null; output: string }>((resolve) => {
    child.once('close', (status) => resolve({ status, output }));
  });
  return { child, ended };
}

/** Polls until `probe` gives something; throws after `limit` ms, naming `what`. */
export async function until<Value>(
  what: string,
  probe: () => Value | null | undefined | false | Promise<Value | null | undefined | false>,
  limit = 15_000,
): Promise<Value> {
  const end = Date.now() + limit;
  for (;;) {
    const value = await probe();
    if (value !== null && value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`waited ${limit / 1000} s in vain: ${what}`);
    await sleep(50);
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
