// Builds what runs, into dist/ (see scripts/README.md for the layout).
//
//   node scripts/build.mjs                all of it, only what is due
//   node scripts/build.mjs --javascript   the bundles alone
//   node scripts/build.mjs --native       the addon and the helper alone
//   node scripts/build.mjs --force        even if nothing changed
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  UsageError,
  UserError,
  digestOf,
  isStamped,
  root,
  run,
  runMain,
  say,
  stamp,
  withBuildLock,
} from './steps.mjs';

/** Bundle in dist/ → its entry point. */
const bundles = {
  'main.cjs': 'app/main/main.ts',
  'preload.cjs': 'app/preload/preload.ts',
  // a thread of main
  'exporter.cjs': 'app/main/exporter.ts',
  'feed.cjs': 'app/feed/feed.ts',
  'daemon-body.cjs': 'app/daemon/daemon.ts',
  // loads the one before
  'daemon.cjs': 'app/daemon/start.ts',
  // a thread of the daemon
  'recorder.cjs': 'app/daemon/recordings/recorder.ts',
  'bioscope.cjs': 'app/cli/bioscope.ts',
};

const nativeSources = ['binding.gyp', 'native'];
const javascriptSources = [
  'app',
  'renderer',
  'assets/icon.png',
  'scripts/build.mjs',
  'package-lock.json',
  'tsconfig.base.json',
];
/** Not part of the addon: the kernel module, and words. */
const isNotNative = (path) => path.startsWith('native/kmod') || path.endsWith('.md');
const isNotBundled = (path) => path.endsWith('.md');

/**
 * zod's messages in fifty languages are a third of each bundle, read at every start and
 * used by nobody. English, the default, is imported from its own file.
 */
const withoutLocales = {
  name: 'without-locales',
  setup(build) {
    const contents = 'export {};';
    build.onLoad({ filter: /\/zod\/v4\/locales\/index\.js$/ }, () => ({ contents }));
  },
};

/** Where node's own headers are, so that node-gyp need not fetch them; undefined if nowhere. */
function nodeDirectory() {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include/node/node_api.h')) ? prefix : undefined;
}

async function buildNative(force) {
  if (!existsSync(join(root, 'binding.gyp'))) {
    throw new UserError('binding.gyp is missing: the native addon cannot be built.');
  }
  const digest = digestOf(nativeSources, `${process.version} ${process.arch}`, isNotNative);
  const target = join(root, 'dist/bioscope.node');
  const helper = join(root, 'dist/bioscope-helper');
  const isThere = existsSync(target) && existsSync(helper);
  if (!force && isStamped('native', digest) && isThere) return;
  say('building the native addon (about a minute)');
  const headers = nodeDirectory();
  await run(
    process.execPath,
    [
      join(root, 'node_modules/node-gyp/bin/node-gyp.js'),
      // Configured anew: a file more is not in the Makefiles of the last time.
      ...(existsSync(join(root, 'build/Release')) ? ['configure', 'build'] : ['rebuild']),
      '--loglevel=error',
      ...(headers ? [`--nodedir=${headers}`] : []),
    ],
    { label: 'node-gyp' },
  );
  await run('make', ['--no-print-directory', '-C', join(root, 'native/helper/program')], {
    label: 'the privileged helper',
  });
  mkdirSync(dirname(target), { recursive: true });
  // Renamed into place: a daemon that runs has the old file mapped, and
  // writing into that would crash it.
  for (const [from, to] of [
    ['build/Release/bioscope.node', target],
    ['build/helper/bioscope-helper', helper],
  ]) {
    copyFileSync(join(root, from), `${to}.new`);
    renameSync(`${to}.new`, to);
  }
  stamp('native', digest);
}

async function buildBundles() {
  const { build, stop } = await import('esbuild');
  for (const [name, entry] of Object.entries(bundles)) {
    const source = join(root, entry);
    const isCommand = name === 'bioscope.cjs';
    const shebang = isCommand && !readFileSync(source, 'utf8').startsWith('#!');
    const result = await build({
      absWorkingDir: root,
      entryPoints: [entry],
      outfile: `dist/${name}`,
      bundle: true,
      format: 'cjs',
      platform: 'node',
      // Electron 25, the oldest runtime, has Node 18.15.
      target: 'node18.15',
      external: ['electron', '*.node'],
      sourcemap: 'linked',
      sourcesContent: false,
      legalComments: 'none',
      logLevel: 'silent',
      plugins: [withoutLocales],
      ...(shebang ? { banner: { js: '#!/usr/bin/env node' } } : {}),
    }).catch((error) => {
      throw new UserError(`esbuild: ${error.message}`);
    });
    for (const { text, location } of result.warnings) {
      say(`  warning: ${location?.file}:${location?.line}: ${text}`);
    }
    if (isCommand) chmodSync(join(root, 'dist', name), 0o755);
  }
  // Its process would stay as long as ours, which may be all the time the app runs.
  await stop();
}

/** The window's icon, where the main process looks for it. */
function copyIcon() {
  mkdirSync(join(root, 'dist'), { recursive: true });
  copyFileSync(join(root, 'assets/icon.png'), join(root, 'dist/icon.png'));
}

async function buildRenderer() {
  const { build } = await import('vite');
  const { default: react } = await import('@vitejs/plugin-react');
  await build({
    root: join(root, 'renderer'),
    configFile: false,
    base: './',
    logLevel: 'warn',
    plugins: [react()],
    worker: { format: 'es' },
    build: {
      outDir: join(root, 'dist/renderer'),
      emptyOutDir: true,
      target: 'chrome114',
      sourcemap: true,
      // The content security policy allows neither inline scripts nor data: fonts.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      chunkSizeWarningLimit: 4096,
      // That a plugin took long is no warning about our code.
      rolldownOptions: { checks: { pluginTimings: false } },
    },
  });
}

async function buildJavascript(force) {
  const digest = digestOf(javascriptSources, process.version, isNotBundled);
  if (!force && isStamped('javascript', digest) && existsSync(join(root, 'dist'))) return;
  say('building the bundles');
  copyIcon();
  await buildBundles();
  await buildRenderer();
  stamp('javascript', digest);
}

/** Builds what is due. Throws UserError with the tools' own words. */
export async function buildAll({ native = true, javascript = true, force = false } = {}) {
  await withBuildLock(async () => {
    if (javascript) await buildJavascript(force);
    if (native) await buildNative(force);
  });
}

if (process.argv[1] === join(root, 'scripts/build.mjs')) {
  await runMain(async (words) => {
    const known = ['--native', '--javascript', '--force'];
    const wrong = words.find((word) => !known.includes(word));
    if (wrong) throw new UsageError(`unknown option ${wrong}; known: ${known.join(' ')}`);
    const only = words.includes('--native') || words.includes('--javascript');
    await buildAll({
      native: !only || words.includes('--native'),
      javascript: !only || words.includes('--javascript'),
      force: words.includes('--force'),
    });
  });
}
