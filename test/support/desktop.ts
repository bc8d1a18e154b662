/** The real application in the real Electron, driven by Playwright. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { _electron, type ElectronApplication, type Locator, type Page } from 'playwright-core';
import { projectDirectory } from './project';
import { isAlive, until } from './commands';
import type { Workspace } from './workspace';

const results = join(projectDirectory, 'test-results');

let executable: string | null = null;

/** The Electron that `npm start` would run. */
export function electronExecutable(): string {
  executable ??= execFileSync(
    process.execPath,
    [join(projectDirectory, 'scripts/electron-runtime.mjs')],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  ).trim();
  return executable;
}

/**
 * Switches that make every machine one without a graphics card: the processor composes the
 * window itself (composing on a made-up card takes ten times as long), and the map, which
 * refuses made-up WebGL, is drawn on a plain canvas. Root is refused Chromium's sandbox.
 */
export function electronSwitches(): string[] {
  return [
    '--use-gl=angle',
    '--use-angle=swiftshader',
    '--disable-gpu-compositing',
    '--disable-gpu-rasterization',
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  ];
}

export interface DesktopOptions {
  readonly images?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly colorScheme?: 'dark' | 'light';
  /** The packaged application's binary; without it the bundles run in the development Electron. */
  readonly packaged?: string;
}

/** A running window. What the page complained of is in `complaints`. */
export class Desktop {
  readonly complaints: string[] = [];

  private constructor(
    readonly application: ElectronApplication,
    readonly page: Page,
  ) {
    const watch = (page: Page) => {
      page.on('console', (message) => {
        if (message.type() === 'error') this.complaints.push(message.text());
      });
      page.on('pageerror', (error) => this.complaints.push(String(error)));
    };
    watch(page);
  }

  static async launch(workspace: Workspace, options: DesktopOptions = {}): Promise<Desktop> {
    const application = await _electron.launch({
      executablePath: options.packaged ?? electronExecutable(),
      args: [
        ...electronSwitches(),
        ...(options.packaged === undefined ? [projectDirectory] : []),
        '--',
        ...(options.images ?? []),
      ],
      cwd: workspace.directory,
      env: workspace.environment({ BIOSCOPE_NODE: process.execPath, ...options.environment }),
      colorScheme: options.colorScheme ?? null,
    });
    const page = await application.firstWindow();
    page.setDefaultTimeout(15_000);
    const desktop = new Desktop(application, page);
    await page.getByTestId('status-bar').waitFor();
    return desktop;
  }

  get pid(): number {
    const { pid } = this.application.process();
    if (pid === undefined) throw new Error('the application has no process');
    return pid;
  }

  /** Drops files as a user does: a trusted drag through the browser, with real paths. */
  async drop(paths: readonly string[]): Promise<void> {
    const session = await this.application.context().newCDPSession(this.page);
    const size = await this.page.evaluate(() => [window.innerWidth, window.innerHeight] as const);
    const data = { items: [], files: [...paths], dragOperationsMask: 1 };
    const place = { x: size[0] / 2, y: size[1] / 2, data };
    await session.send('Input.dispatchDragEvent', { type: 'dragEnter', ...place });
    await session.send('Input.dispatchDragEvent', { type: 'dragOver', ...place });
    await session.send('Input.dispatchDragEvent', { type: 'drop', ...place });
    await session.detach();
  }

  /** The disk of that name in the list, once it is in that state. */
  async disk(name: string, state = 'attached'): Promise<Locator> {
    const disk = this.page
      .getByTestId('disk')
      .filter({ has: this.page.getByTestId('disk-name').getByText(name, { exact: true }) });
    await disk.and(this.page.locator(`[data-state="${state}"]`)).waitFor();
    return disk;
  }

  /** The device path that the window shows for a disk. */
  async device(name: string): Promise<string> {
    const disk = await this.disk(name);
    return (await disk.getByTestId('disk-device').innerText()).trim();
  }

  /** The rows on the screen, of one operation or of all. (The page keeps hidden ones in stock.) */
  rows(operation?: string): Locator {
    const wanted = operation === undefined ? '' : `[data-operation="${operation}"]`;
    return this.page.locator(`[data-testid="trace-row"]${wanted}`).filter({ visible: true });
  }

  /** Clicks a row of the table; at its left, since its middle may lie beyond the pane. */
  async clickRow(row: Locator): Promise<void> {
    await row.click({ position: { x: 30, y: 8 } });
  }

  /** Selects a disk, so that its requests are shown. */
  async select(name: string): Promise<void> {
    await (await this.disk(name)).getByTestId('disk-select').click();
  }

  /**
   * Answers the next message boxes: `answers` are buttons' labels in order. What
   * was asked comes back from `asked`.
   */
  async answerDialogs(answers: readonly string[]): Promise<void> {
    await this.application.evaluate(({ dialog }, labels) => {
      const state = globalThis as unknown as { asked: string[]; answers: string[] };
      state.asked = [];
      state.answers = [...labels];
      const answer = (...parameters: unknown[]) => {
        const box = parameters.at(-1) as { message: string; detail?: string; buttons: string[] };
        state.asked.push(`${box.message}\n${box.detail ?? ''}`);
        const response = box.buttons.indexOf(state.answers.shift() ?? '');
        if (response === -1) throw new Error(`no such button in: ${box.buttons.join(', ')}`);
        return Promise.resolve({ response, checkboxChecked: false });
      };
      dialog.showMessageBox = answer;
    }, answers);
  }

  async asked(): Promise<string[]> {
    return this.application.evaluate(
      () => (globalThis as unknown as { asked?: string[] }).asked ?? [],
    );
  }

  /** Saves a picture below test-results/. */
  async picture(name: string): Promise<string> {
    if (!existsSync(results)) mkdirSync(results, { recursive: true });
    const path = join(results, `${name}.png`);
    await this.page.screenshot({ path });
    return path;
  }

  /** SIGTERM, as a session that ends sends it. Rejects when the process is still there 10 s later. */
  async terminate(): Promise<void> {
    const { pid } = this;
    process.kill(pid, 'SIGTERM');
    // The debugger that drives the test would keep it: let go of it.
    await Promise.all([
      until('the window ends', () => !isAlive(pid), 10_000),
      this.application.close().catch(() => undefined),
    ]);
  }

  /** SIGKILL, as a crash would be. The daemon is another process and stays. */
  async kill(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.application.once('close', () => resolve()));
    process.kill(this.pid, 'SIGKILL');
    await ended;
  }

  /**
   * Quits, answering the question that comes if disks are attached: by default
   * they are left to the daemon. Resolves when the process has ended.
   */
  async close(answer = 'Keep running in the background'): Promise<void> {
    await this.answerDialogs([answer]);
    // Asks the app to quit, and lets go of the debugger that would keep it.
    await this.application.close();
  }
}
