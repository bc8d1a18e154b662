/** What the window shows of routes: the panel "This machine", and disks on dm-user. */
import type { Page } from 'playwright-core';
import { describe, expect, it, vi } from 'vitest';
import { browserPath } from './harness/browser';
import { harnessPages } from './harness/pages';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

describe.skipIf(browserPath === null)('routes in the window (needs a Chromium)', () => {
  const openPage = harnessPages();
  let page: Page;

  const open = async (scene: string) => {
    page = await openPage({ scene });
  };

  it('says what works on this machine, what does not, and what mends it, to be copied', async () => {
    await open('quiet');
    await page.getByTestId('status-route').click();
    const panel = page.getByTestId('this-machine');
    await panel.locator('[data-route="fuse-loop"][data-available="true"]').waitFor();
    const module = panel.locator('[data-check="dm-user-module"]');
    expect(await module.getAttribute('data-finding')).toBe('missing');
    // What can be mended comes first.
    expect(await panel.getByTestId('machine-check').first().getAttribute('data-check')).toBe(
      'dm-user-module',
    );
    const command = 'sudo make -C /opt/bioscope/share/kmod dkms-install';
    await module.getByRole('button', { name: `Copy: ${command}` }).click();
    expect(await page.evaluate(() => window.harness.copied.at(-1))).toBe(command);
    await page.keyboard.press('Escape');
    await panel.waitFor({ state: 'detached' });
  });

  it('offers to let a busy target go with its last user', async () => {
    await open('targets');
    await page.getByTestId('detach').click();
    const refusal = page.getByTestId('detach-problem');
    await refusal.getByRole('listitem').getByText('mounted on /mnt/rootfs').waitFor();
    await refusal.getByTestId('detach-deferred').click();
    await page.getByTestId('toast').getByText('goes with its last user').waitFor();
    await refusal.waitFor({ state: 'detached' });
  });

  it('offers to fail what waits on a disk that nobody serves', async () => {
    await open('targets');
    const failure = page.getByTestId('disk-failure');
    await failure.getByText('lost.img does not exist.').waitFor();
    await failure.getByTestId('disk-abort').click();
    const question = failure.getByTestId('disk-abort-question');
    await question.getByText('fails with an I/O error').waitFor();
    await question.getByRole('button', { name: 'Let it wait' }).click();
    await question.waitFor({ state: 'detached' });
    await failure.getByTestId('disk-abort').click();
    await question.getByTestId('disk-abort-confirm').click();
    await page.getByTestId('toast').getByText('What waited on lost.img has failed').waitFor();
    await question.waitFor({ state: 'detached' });
  });

  it('offers that without a daemon too, and the command to be copied', async () => {
    await open('hanging');
    const failure = page.getByTestId('disk-failure');
    await failure.getByRole('button', { name: 'Start the daemon again' }).waitFor();
    await failure.getByTestId('disk-abort').click();
    const command = 'sudo dmsetup message bioscope-1000-d0-3f2a 0 abort';
    await failure.getByRole('button', { name: `Copy: ${command}` }).click();
    expect(await page.evaluate(() => window.harness.copied.at(-1))).toBe(command);
    await failure.getByTestId('disk-abort-confirm').click();
    await page.getByTestId('toast').getByText('What waited on lost.img has failed').waitFor();
  });

  it('attaches on the route that was chosen', async () => {
    await open('quiet');
    await page.getByTestId('attach-route').selectOption('dm-user');
    await page.getByTestId('attach-path').fill('/home/anna/new.img');
    await page.getByTestId('attach-submit').click();
    const disk = page.getByTestId('disk').filter({ hasText: 'new.img' });
    await disk.getByTestId('disk-route').getByText('dm-user').waitFor();
  });
});
