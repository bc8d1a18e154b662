/** Builds the harness, serves it on loopback, and opens it in a headless Chromium. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import { build, preview } from 'vite';

const candidates = [
  process.env['BIOSCOPE_CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/google-chrome',
];

/** The browser to use, or null where there is none. */
export const browserPath =
  candidates.find((path) => path !== undefined && existsSync(path)) ?? null;

export interface OpenOptions {
  readonly scene: string;
  readonly width?: number;
  readonly height?: number;
  readonly theme?: 'dark' | 'light';
  /** Runs in the page before anything of its own. */
  readonly before?: () => void;
}

export interface HarnessOptions {
  /** What WebGL there is: none, or that of SwiftShader, on the processor. */
  readonly graphics?: 'none' | 'made up';
}

const graphicsSwitches = {
  none: ['--disable-gpu'],
  'made up': ['--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'],
} as const;

export interface HarnessBrowser {
  open(options: OpenOptions): Promise<Page>;
  close(): Promise<void>;
}

const configFile = join(import.meta.dirname, 'vite.config.ts');

export async function startHarness({
  graphics = 'none',
}: HarnessOptions = {}): Promise<HarnessBrowser> {
  if (browserPath === null) throw new Error('no Chromium is installed');
  // React as it is shipped: vitest's own NODE_ENV would choose its development build.
  const environment = process.env['NODE_ENV'];
  process.env['NODE_ENV'] = 'production';
  // A place of its own: several files of tests build it at the same time.
  const folder = await mkdtemp(join(tmpdir(), 'bioscope-harness-'));
  const outDir = join(folder, 'page');
  await build({ configFile, build: { outDir } });
  if (environment !== undefined) process.env['NODE_ENV'] = environment;
  const server = await preview({
    configFile,
    build: { outDir },
    preview: { port: 0, host: '127.0.0.1' },
  });
  const address = server.resolvedUrls?.local[0];
  if (!address) throw new Error('the preview server has no address');
  const profile = join(folder, 'profile');
  const context: BrowserContext = await chromium.launchPersistentContext(profile, {
    executablePath: browserPath,
    headless: true,
    args: [
      '--no-sandbox',
      ...graphicsSwitches[graphics],
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  return {
    async open({ scene, width = 1440, height = 900, theme = 'dark', before }) {
      const page = await context.newPage();
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme: theme });
      if (before) await page.addInitScript(before);
      await page.goto(`${address}?scene=${scene}`);
      await page.getByTestId('status-bar').waitFor();
      return page;
    },
    async close() {
      await context.close();
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
