import { defineConfig } from 'vitest/config';

const seconds = 1000;

/**
 * Tests on real processes, devices and windows may meet a machine that stalls. One that fails gets
 * a second try, and `npm test` names it: such a test has a fault to be found, but is no regression.
 */
const real = { retry: 1 };

/** Suites that own the machine's block devices or its display: one file at a time. */
const alone = {
  ...real,
  fileParallelism: false,
  testTimeout: 120 * seconds,
  hookTimeout: 120 * seconds,
};

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'app', include: ['test/app/**/*.test.ts'], ...real } },
      { test: { name: 'renderer', include: ['test/renderer/**/*.test.{ts,tsx}'] } },
      {
        test: {
          name: 'checks',
          include: ['test/checks/**/*.test.ts'],
          testTimeout: 60 * seconds,
        },
      },
      { test: { name: 'block', include: ['test/block/**/*.test.ts'], ...alone } },
      { test: { name: 'helper', include: ['test/helper/**/*.test.ts'], ...alone } },
      { test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], ...alone } },
      { test: { name: 'package', include: ['test/package/**/*.test.ts'], ...alone } },
    ],
  },
});
