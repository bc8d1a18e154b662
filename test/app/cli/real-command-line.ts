/** Runs the built command line, as a user would, in a workspace of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { TestContext } from 'vitest';
import type { Workspace } from '../../support/workspace';

export const commandLine = fileURLToPath(new URL('../../../dist/bioscope.cjs', import.meta.url));
export const daemonScript = fileURLToPath(new URL('../../../dist/daemon.cjs', import.meta.url));

/** The machine is shared: starting a program can take a while. */
export const patience = { timeout: 60_000 };

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Outcome>;
  /** What it has said until now. */
  readonly stdout: () => string;
  readonly stderr: () => string;
}

/** Starts a program with the workspace's environment. */
export function start(
  workspace: Workspace,
  program: string,
  words: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Running {
  const child = spawn(program, words, {
    cwd: workspace.directory,
    env: workspace.environment(environment),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text: Buffer) => (stdout += text.toString()));
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
  const ended = new Promise<Outcome>((resolve) => {
    child.once('close', (status) => resolve({ status, stdout, stderr }));
  });
  return { child, ended, stdout: () => stdout, stderr: () => stderr };
}

export function startBioscope(workspace: Workspace, ...words: string[]): Running {
  return start(workspace, process.execPath, [commandLine, ...words]);
}

export function bioscope(workspace: Workspace, ...words: string[]): Promise<Outcome> {
  return startBioscope(workspace, ...words).ended;
}

/** Skips a test, with the reason, where loop devices cannot be made. */
export function needsRoot(context: TestContext): void {
  if (process.getuid?.() !== 0) context.skip('needs root: it makes loop devices');
}

/** Lines of JSON. */
export function parseLines<Value>(text: string): Value[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Value);
}
