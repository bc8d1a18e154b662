// The real window as the benchmark drives it: started, watched, closed.
/* global document, window, MutationObserver, Worker, requestAnimationFrame -- in what the page evaluates */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../steps.mjs';
import { until, within } from './report.mjs';

/** For anything the window does at once on an idle machine. */
const PATIENCE_SECONDS = 120;
const CLOSE_SECONDS = 20;

/** CPU seconds a process has used. */
export function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export class BenchWindow {
  constructor(application, page) {
    this.application = application;
    this.page = page;
  }

  /** The application in `directory`, with `images` attached. */
  static async launch(directory, environment, images = []) {
    const { _electron } = await import('playwright-core');
    const executablePath = execFileSync(
      process.execPath,
      [join(root, 'scripts/electron-runtime.mjs')],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    ).trim();
    const application = await _electron.launch({
      executablePath,
      args: [
        // As where there is no graphics card, on every machine: the map is drawn without WebGL.
        ...['--use-gl=angle', '--use-angle=swiftshader'],
        ...['--disable-gpu-compositing', '--disable-gpu-rasterization'],
        ...(process.getuid() === 0 ? ['--no-sandbox'] : []),
        root,
        '--',
        ...images,
      ],
      cwd: directory,
      env: environment,
    });
    const page = await application.firstWindow();
    page.setDefaultTimeout(PATIENCE_SECONDS * 1000);
    await page.getByTestId('status-bar').waitFor();
    return new BenchWindow(application, page);
  }

  /**
   * Closes the window and leaves the disks to the daemon, which is what the question
   * that comes with disks attached is answered. One that does not end is killed.
   */
  async close() {
    const { application } = this;
    const { pid } = application.process();
    try {
      await within(
        CLOSE_SECONDS,
        'closing the window',
        (async () => {
          await application.evaluate(({ dialog }) => {
            dialog.showMessageBox = (...parameters) => {
              const response = parameters.at(-1).buttons.indexOf('Keep running in the background');
              return Promise.resolve({ response, checkboxChecked: false });
            };
          });
          await application.close();
        })(),
      );
    } catch (error) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        return; // It has ended meanwhile, which is what was wanted.
      }
      throw error;
    }
  }

  /** Shows the disk of that name, once it is in that state; its row in the list of disks. */
  async select(name, state = 'attached') {
    const { page } = this;
    const disk = page
      .getByTestId('disk')
      .filter({ has: page.getByTestId('disk-name').getByText(name, { exact: true }) });
    await disk.and(page.locator(`[data-state="${state}"]`)).waitFor();
    await disk.getByTestId('disk-select').click();
    return disk;
  }

  /** What the daemon says of the disk of that name. */
  disk(name) {
    return this.page.evaluate(async (wanted) => {
      const { value } = await window.bioscope.invoke('state.get', {});
      const { number, tracePath, device } = value.disks.find((one) => one.name === wanted);
      return { number, tracePath, device, pid: value.daemon.info.pid };
    }, name);
  }

  /** The number that a part of the status bar begins with; 0 while it is not there. */
  async count(testid) {
    const part = this.page.getByTestId(testid);
    if ((await part.count()) === 0) return 0;
    const digits = (await part.innerText()).replace(/[^0-9 ]/g, '').trim();
    return Number(digits.split(' ')[0]);
  }

  /** When (Date.now) that number is as high as that, as the page itself sees it. */
  reached(testid, number) {
    return this.page.evaluate(
      ([part, wanted]) =>
        new Promise((resolve) => {
          const bar = document.querySelector('[data-testid="status-bar"]');
          const look = () => {
            const text = bar.querySelector(`[data-testid="${part}"]`)?.innerText ?? '';
            const [digits] = text
              .replace(/[^0-9 ]/g, '')
              .trim()
              .split(' ');
            if (Number(digits) < wanted) return;
            observer.disconnect();
            resolve(Date.now());
          };
          const observer = new MutationObserver(look);
          observer.observe(bar, { subtree: true, childList: true, characterData: true });
          look();
        }),
      [testid, number],
    );
  }

  /** Begins to note how long each animation frame of the page takes; returns what ends it. */
  async watchFrames() {
    const { page } = this;
    await page.evaluate(() => {
      const gaps = [];
      let last = performance.now();
      let goes = true;
      const tick = (now) => {
        gaps.push(now - last);
        last = now;
        if (goes) requestAnimationFrame(tick);
      };
      requestAnimationFrame(tick);
      window.endFrames = () => {
        goes = false;
        return gaps.slice(2);
      };
    });
    return async () => {
      const gaps = (await page.evaluate(() => window.endFrames())).sort((a, b) => a - b);
      const at = (share) => gaps[Math.min(gaps.length - 1, Math.floor(share * gaps.length))] ?? 0;
      const late = gaps.filter((gap) => gap > 33.4).length;
      return {
        text: `median ${at(0.5).toFixed(1)}, p99 ${at(0.99).toFixed(1)}, max ${at(1).toFixed(1)} ms; ${late} of ${gaps.length} over 33`,
        late,
        longest: at(1),
      };
    };
  }

  /** Begins to count the results of pictures that the page draws; returns what tells how many. */
  async countPictures() {
    await this.page.evaluate(() => {
      window.pictures = 0;
      window.post ??= Worker.prototype.postMessage;
      const { post } = window;
      // The page tells the worker of each one.
      Worker.prototype.postMessage = function (message, ...rest) {
        if (message?.type === 'derived-drawn') window.pictures++;
        return post.call(this, message, ...rest);
      };
    });
    return () => this.page.evaluate(() => window.pictures);
  }

  get #worker() {
    return this.page.workers().find((one) => one.url().includes('worker'));
  }

  /** The trace worker's timings (performance.measure) of that name, ms. */
  timings(name) {
    return this.#worker.evaluate(
      (wanted) => performance.getEntriesByName(wanted).map(({ duration }) => duration),
      name,
    );
  }

  /** Of that name none is known any more. */
  forgetTimings(name) {
    return this.#worker.evaluate((gone) => performance.clearMeasures(gone), name);
  }

  /** Follows the newest rows. */
  async follow() {
    const { page } = this;
    await page.getByTestId('trace-grid').focus();
    await page.keyboard.press('End');
    const button = page.getByTestId('follow');
    if (await button.isVisible()) await button.click();
    await until(PATIENCE_SECONDS, 'the table follows', async () => {
      const following = await page.getByTestId('trace-grid').getAttribute('data-following');
      return following === 'true';
    });
  }

  /** Opens the pictures at a tab; false when it is open already. */
  async openPicture(tab) {
    const { page } = this;
    const isOpen = await page.getByTestId('pictures').getAttribute('data-open');
    const button = page.getByTestId(`picture-${tab}`);
    const isSelected = await button.getAttribute('aria-selected');
    if (isOpen === 'true' && isSelected === 'true') return false;
    await button.click();
    return true;
  }

  /** The page's process and the feed's: pid and bytes of memory. */
  async processes() {
    const metrics = await this.application.evaluate(({ app }) =>
      app.getAppMetrics().map(({ type, pid, serviceName, name, memory }) => ({
        ...{ type, pid, bytes: memory.workingSetSize * 1024 },
        names: `${serviceName ?? ''} ${name ?? ''}`,
      })),
    );
    const page = metrics.find(({ type }) => type === 'Tab');
    const feed = metrics.find(({ type, names }) => type === 'Utility' && /feed|node/i.test(names));
    return { page, feed };
  }
}
