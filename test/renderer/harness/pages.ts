/** Pages of the harness for one file of tests. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import {
  type HarnessBrowser,
  type HarnessOptions,
  type OpenOptions,
  startHarness,
} from './browser';

/**
 * To be called where tests are described: they have a harness of their own. Each opens its
 * page with what is returned; the page is closed after it, and the test fails if the page
 * threw, or did what its security policy forbids.
 */
export function harnessPages(options: HarnessOptions = {}): (wanted: OpenOptions) => Promise<Page> {
  let harness: HarnessBrowser;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    harness = await startHarness(options);
  });
  afterEach(async () => {
    complaints.push(...(await page.evaluate(() => window.violations)));
    await page.close();
    expect(complaints.splice(0)).toEqual([]);
  });
  afterAll(() => harness.close());

  return async (wanted) => {
    page = await harness.open(wanted);
    page.on('pageerror', (error) => complaints.push(String(error)));
    return page;
  };
}
