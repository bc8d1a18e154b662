// Who may import whom, as an ESLint rule. An allow-list: a folder that is not in
// the table may import nothing but itself, and says so.
//
//   renderer → app/contract ← app → native
import { builtinModules } from 'node:module';
import { posix, relative, sep } from 'node:path';

/**
 * For each area (a folder): the areas it may import from besides itself, the
 * packages it may use, and whether Node's own modules are at hand there. The
 * longest matching area counts.
 *
 * @type {Record<string, { areas: string[], packages: string[], node: boolean }>}
 */
export const areas = {
  'app/contract': { areas: [], packages: ['zod'], node: false },
  'app/filter': { areas: ['app/contract'], packages: [], node: false },
  'app/addon': { areas: ['app/contract'], packages: [], node: true },
  'app/capture': {
    areas: ['app/contract', 'app/addon', 'app/client'],
    packages: ['zod', 'apache-arrow'],
    node: true,
  },
  'app/client': { areas: ['app/contract', 'package.json'], packages: ['zod'], node: true },
  'app/privileged': { areas: ['app/contract', 'app/addon'], packages: [], node: true },
  'app/daemon': {
    areas: ['app/contract', 'app/addon', 'app/privileged', 'app/client', 'app/capture'],
    packages: ['zod'],
    node: true,
  },
  'app/cli': {
    areas: [
      'app/contract',
      'app/filter',
      'app/addon',
      'app/client',
      'app/capture',
      'app/privileged',
    ],
    packages: [],
    node: true,
  },
  'app/main': {
    areas: ['app/contract', 'app/client', 'app/addon', 'app/capture', 'app/privileged'],
    packages: ['electron', 'zod'],
    node: true,
  },
  'app/preload': { areas: ['app/contract'], packages: ['electron'], node: false },
  'app/feed': {
    areas: ['app/contract', 'app/addon', 'app/capture'],
    packages: ['electron'],
    node: true,
  },
  renderer: {
    areas: ['app/contract', 'app/filter'],
    packages: [
      'react',
      'react-dom',
      'zustand',
      'dockview-react',
      'uplot',
      'radix-ui',
      '@fontsource-variable/inter',
      '@fontsource/ibm-plex-mono',
    ],
    node: false,
  },
  // Free of React and of the window, so that tests and fuzzers run it directly.
  'renderer/structures': { areas: [], packages: ['@noble/hashes'], node: false },
};

/** The one file on each side that loops over the contract's channels. */
export const rawIpc = {
  ipcMain: 'app/main/window-ipc.ts',
  ipcRenderer: 'app/preload/preload.ts',
};

const builtins = new Set(builtinModules);

function areaOf(path) {
  return Object.keys(areas)
    .filter((area) => path.startsWith(`${area}/`))
    .sort((a, b) => b.length - a.length)[0];
}

function packageOf(specifier) {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0];
}

/** What is wrong with `specifier` in the file `path` (relative to the root), or null. */
export function importProblem(path, specifier) {
  const area = areaOf(path);
  const rule = area === undefined ? undefined : areas[area];
  if (!rule) return `${path} lies in no area of the import table (scripts/lint/boundaries.mjs)`;
  if (specifier.startsWith('/')) return `'${specifier}': import by a relative path`;
  if (specifier.startsWith('.')) {
    const target = posix.normalize(posix.join(posix.dirname(path), specifier));
    if (target.startsWith(`${area}/`) || target === area) return null;
    if (rule.areas.some((allowed) => target === allowed || target.startsWith(`${allowed}/`)))
      return null;
    const may = [area, ...rule.areas].join(', ');
    return `${area} must not import ${target}: it may import ${may}`;
  }
  if (specifier.startsWith('node:') || builtins.has(specifier)) {
    if (!rule.node) return `${area} must not import ${specifier}: there is no Node in it`;
    return specifier.startsWith('node:') ? null : `write 'node:${specifier}'`;
  }
  const name = packageOf(specifier);
  if (rule.packages.includes(name)) return null;
  const may = rule.packages.length > 0 ? rule.packages.join(', ') : 'none';
  return `${area} must not import the package ${name}: the packages it may use are ${may}`;
}

function relativePath(context) {
  return relative(context.cwd, context.filename).split(sep).join('/');
}

const imports = {
  meta: { type: 'problem', schema: [], messages: { boundary: '{{problem}}.' } },
  create(context) {
    const path = relativePath(context);
    const check = (node) => {
      if (node?.type !== 'Literal' || typeof node.value !== 'string') return;
      // Vite's suffixes (?worker, ?url) are no part of the path.
      const problem = importProblem(path, node.value.replace(/\?.*$/, ''));
      if (problem) context.report({ node, messageId: 'boundary', data: { problem } });
    };
    return {
      ImportDeclaration: (node) => check(node.source),
      ExportNamedDeclaration: (node) => check(node.source),
      ExportAllDeclaration: (node) => check(node.source),
      ImportExpression: (node) => check(node.source),
      TSImportType: (node) => check(node.source ?? node.argument?.literal),
      TSExternalModuleReference: (node) => check(node.expression),
      CallExpression: (node) => {
        if (node.callee.type === 'Identifier' && node.callee.name === 'require')
          check(node.arguments[0]);
      },
    };
  },
};

const ipc = {
  meta: {
    type: 'problem',
    schema: [],
    messages: {
      raw: '{{name}} belongs in {{home}} alone: add a row to the contract and a handler instead.',
    },
  },
  create(context) {
    const path = relativePath(context);
    // `import { ipcMain }` is two identifiers at one place.
    const seen = new Set();
    const report = (node, name) => {
      const home = Object.hasOwn(rawIpc, name) ? rawIpc[name] : path;
      if (path === home || seen.has(node.range[0])) return;
      seen.add(node.range[0]);
      context.report({ node, messageId: 'raw', data: { name, home } });
    };
    return {
      Identifier: (node) => report(node, node.name),
      'MemberExpression[computed=true] > Literal.property': (node) => report(node, node.value),
    };
  },
};

export const boundaryPlugin = { rules: { imports, ipc } };

/** The configuration object for everything that is held to the table. */
export const boundaryConfig = {
  files: ['app/**/*.{ts,tsx}', 'renderer/**/*.{ts,tsx}'],
  plugins: { boundary: boundaryPlugin },
  rules: { 'boundary/imports': 'error', 'boundary/ipc': 'error' },
};
