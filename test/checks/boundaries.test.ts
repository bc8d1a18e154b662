/** The import table and the raw-ipc rule refuse what they promise to refuse, with a reason. */
import { ESLint } from 'eslint';
import { describe, expect, test } from 'vitest';
import { fileURLToPath } from 'node:url';
import typescript from 'typescript-eslint';
import { boundaryConfig } from '../../scripts/lint/boundaries.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The rules alone: no type information, so that the files need not exist. */
const eslint = new ESLint({
  cwd: root,
  overrideConfigFile: true,
  overrideConfig: [
    {
      files: ['**/*.{ts,tsx}'],
      languageOptions: { parser: typescript.parser },
    },
    boundaryConfig,
  ],
});

async function problems(filePath: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath: `${root}/${filePath}` });
  return result!.messages.map(({ message }) => message);
}

describe('imports', () => {
  const refused: readonly (readonly [file: string, code: string, message: string])[] = [
    [
      'renderer/trace/probe.ts',
      `import { connectDaemon } from '../../app/client/start-daemon';`,
      'renderer must not import app/client/start-daemon: it may import renderer, app/contract, app/filter.',
    ],
    [
      'renderer/probe.ts',
      `import { readFileSync } from 'node:fs';`,
      'renderer must not import node:fs: there is no Node in it.',
    ],
    [
      'renderer/probe.ts',
      `import { ipcRenderer } from 'electron';`,
      'renderer must not import the package electron',
    ],
    [
      'renderer/probe.ts',
      `import lodash from 'lodash/get';`,
      'renderer must not import the package lodash',
    ],
    [
      'renderer/probe.ts',
      `export * from '../native/addon';`,
      'renderer must not import native/addon',
    ],
    [
      'app/contract/probe.ts',
      `import { app } from '../main/main';`,
      'app/contract must not import app/main/main: it may import app/contract.',
    ],
    [
      'app/contract/probe.ts',
      `import { join } from 'node:path';`,
      'app/contract must not import node:path: there is no Node in it.',
    ],
    [
      'app/daemon/probe.ts',
      `import { app } from 'electron';`,
      'app/daemon must not import the package electron',
    ],
    [
      'app/daemon/disks/probe.ts',
      `import '../../main/menu';`,
      'app/daemon must not import app/main/menu',
    ],
    [
      'app/cli/probe.ts',
      `const { app } = require('electron');`,
      'app/cli must not import the package electron',
    ],
    [
      'app/cli/probe.ts',
      `const daemon = await import('../daemon/methods');`,
      'app/cli must not import app/daemon/methods',
    ],
    [
      'app/cli/probe.ts',
      `type Methods = import('../daemon/methods').Methods;`,
      'app/cli must not import app/daemon/methods',
    ],
    ['app/main/probe.ts', `import { readFileSync } from 'fs';`, `write 'node:fs'.`],
    [
      'app/preload/probe.ts',
      `import { exec } from 'node:child_process';`,
      'app/preload must not import node:child_process: there is no Node in it.',
    ],
    ['app/main/probe.ts', `import '/etc/passwd';`, 'import by a relative path.'],
    [
      'app/novelty/probe.ts',
      `import '../contract/disk';`,
      'app/novelty/probe.ts lies in no area of the import table',
    ],
  ];
  test.each(refused)('%s: %s', async (file, code, message) => {
    const found = await problems(file, code);
    expect(found).toHaveLength(
      file === 'renderer/probe.ts' && code.includes('ipcRenderer') ? 2 : 1,
    );
    expect(found.join('\n')).toContain(message);
  });

  const allowed: readonly (readonly [file: string, code: string])[] = [
    ['renderer/trace/probe.ts', `import type { Disk } from '../../app/contract/disk';`],
    ['renderer/trace/probe.ts', `import { useState } from 'react';\nimport '../shell/app';`],
    ['renderer/trace/probe.ts', `import Worker from './trace-worker?worker';`],
    ['app/contract/probe.ts', `import { z } from 'zod';\nimport './disk';`],
    ['app/daemon/probe.ts', `import { join } from 'node:path';\nimport '../privileged/root';`],
    ['app/main/probe.ts', `import { app } from 'electron';`],
    ['app/feed/probe.ts', `import '../addon/addon';`],
  ];
  test.each(allowed)('%s may: %s', async (file, code) => {
    expect(await problems(file, code)).toEqual([]);
  });
});

describe('raw ipc', () => {
  test.each([
    ['app/main/probe.ts', `import { ipcMain } from 'electron';`, 'app/main/window-ipc.ts'],
    [
      'app/main/probe.ts',
      `import * as electron from 'electron';\nelectron.ipcMain.handle('x', run);`,
      'app/main/window-ipc.ts',
    ],
    [
      'app/main/probe.ts',
      `import * as electron from 'electron';\nelectron['ipcMain'].handle('x', run);`,
      'app/main/window-ipc.ts',
    ],
    ['app/preload/other.ts', `import { ipcRenderer } from 'electron';`, 'app/preload/preload.ts'],
  ])('%s is refused: %s', async (file, code, home) => {
    const found = await problems(file, code);
    expect(found.length).toBeGreaterThan(0);
    for (const message of found) {
      expect(message).toContain(`belongs in ${home} alone`);
      expect(message).toContain('add a row to the contract and a handler instead');
    }
  });

  test.each([
    ['app/main/window-ipc.ts', `import { ipcMain } from 'electron';\nipcMain.handle('x', run);`],
    ['app/preload/preload.ts', `import { ipcRenderer } from 'electron';`],
  ])('%s is the place for it', async (file, code) => {
    expect(await problems(file, code)).toEqual([]);
  });
});

describe("the project's own configuration", () => {
  const project = new ESLint({ cwd: root });
  test.each(['renderer/shell/app.tsx', 'app/daemon/daemon.ts', 'app/main/main.ts'])(
    'holds %s to the table, to strict types and lets no `any` pass',
    async (file) => {
      const { rules } = (await project.calculateConfigForFile(file)) as {
        rules: Record<string, [number, ...unknown[]]>;
      };
      const error = 2;
      expect(rules['boundary/imports']?.[0]).toBe(error);
      expect(rules['boundary/ipc']?.[0]).toBe(error);
      expect(rules['@typescript-eslint/no-explicit-any']?.[0]).toBe(error);
      expect(rules['@typescript-eslint/no-unsafe-assignment']?.[0]).toBe(error);
      expect(rules['@typescript-eslint/no-floating-promises']?.[0]).toBe(error);
    },
  );

  test('knows the hooks of React in the renderer', async () => {
    const { rules } = (await project.calculateConfigForFile('renderer/shell/app.tsx')) as {
      rules: Record<string, [number, ...unknown[]]>;
    };
    expect(rules['react-hooks/rules-of-hooks']?.[0]).toBe(2);
  });
});
