// `npm run package`: the packaged app in out/linux-unpacked (electron-builder.yml).
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { filesBelow, root, runMain, say } from './steps.mjs';
import { ensureSetup } from './setup.mjs';
import { describeRuntime, electronRuntime } from './electron-runtime.mjs';

/** Packages whose files reach dist/ without a source map: fonts. */
const unmapped = ['@fontsource-variable/inter', '@fontsource/ibm-plex-mono'];

const warning = `DEVELOPMENT RUNTIME, NOT FOR DISTRIBUTION
This package was made with Electron 25, which is end of life and gets no
security fixes. It is good for trying and testing on this machine alone.
Package on a machine that can download the current Electron to ship.
`;

/** The npm packages that are part of the bundles, from their source maps. */
function bundledPackages() {
  const names = new Set(unmapped);
  for (const file of filesBelow(['dist']).filter((name) => name.endsWith('.map'))) {
    for (const source of JSON.parse(readFileSync(file, 'utf8')).sources) {
      if (typeof source !== 'string') continue;
      const path = relative(root, resolve(join(file, '..'), source));
      const match = /^(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path);
      if (match) names.add(match[1]);
    }
  }
  return [...names].sort();
}

/** Their licences, as one text. A package without a licence file is named with what it declares. */
function thirdPartyLicences() {
  const parts = bundledPackages().map((name) => {
    const home = join(root, 'node_modules', name);
    const about = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
    const file = readdirSync(home).find((entry) => /^(licen[cs]e|copying)/i.test(entry));
    const text = file
      ? readFileSync(join(home, file), 'utf8').trim()
      : `No licence file; package.json says: ${about.license}`;
    return `${name} ${about.version} (${about.license})\n\n${text}`;
  });
  const line = `\n\n${'-'.repeat(80)}\n\n`;
  return `Bioscope contains these packages from the npm registry.${line}${parts.join(line)}\n`;
}

await runMain(async (words) => {
  await ensureSetup({ for: 'package' });
  const runtime = await electronRuntime({ retry: words.includes('--retry-electron') });
  say(`packaging with ${describeRuntime(runtime)}`);
  if (runtime.isPinned) say(`WARNING: ${warning.trim().split('\n').join('\n  ')}`);
  writeFileSync(join(root, 'build/THIRD-PARTY-LICENSES.txt'), thirdPartyLicences());
  const { build } = await import('electron-builder');
  // Its own progress goes to stdout, at some length.
  process.env.DEBUG ??= '';
  const output = join(root, 'out/linux-unpacked');
  rmSync(output, { recursive: true, force: true });
  await build({
    projectDir: root,
    linux: ['dir'],
    publish: 'never',
    config: {
      extends: join(root, 'electron-builder.yml'),
      electronDist: runtime.directory,
      electronVersion: runtime.version,
      afterPack: ({ appOutDir }) => {
        // A runtime's default app would run anything it is given.
        rmSync(join(appOutDir, 'resources/default_app.asar'), { force: true });
        if (runtime.isPinned) writeFileSync(join(appOutDir, 'NOT-FOR-DISTRIBUTION.txt'), warning);
      },
    },
  });
  if (!existsSync(join(output, 'bioscope-app'))) throw new Error(`${output} has no bioscope-app`);
  say(`made ${relative(process.cwd(), output) || '.'}: bioscope-app (window), bioscope (terminal)`);
  if (runtime.isPinned) say('WARNING: development runtime, not for distribution');
});
