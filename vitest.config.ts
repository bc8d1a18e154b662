import { defineConfig } from 'vitest/config';

const seconds = 1000;

/** Suites that own the machine's block devices or its display: one file at a time. */
const alone = { fileParallelism: false, testTimeout: 120 * seconds, hookTimeout: 120 * seconds };

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'app', include: ['test/app/**/*.test.ts'] } },
      { test: { name: 'renderer', include: ['test/renderer/**/*.test.{ts,tsx}'] } },
      {
        test: {
          name: 'checks',
          include: ['test/checks/**/*.test.ts'],
          testTimeout: 60 * seconds,
        },
      },
      { test: { name: 'block', include: ['test/block/**/*.test.ts'], ...alone } },
      { test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], ...alone } },
      { test: { name: 'package', include: ['test/package/**/*.test.ts'], ...alone } },
    ],
  },
});
