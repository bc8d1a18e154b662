/**
 * The window in a headless Chromium, with an outside that is made up (harness/):
 * what the end-to-end tests do not reach. Skips where no Chromium is installed;
 * BIOSCOPE_CHROMIUM names another one.
 */
import type { Locator, Page } from 'playwright-core';
import { describe, expect, it, vi } from 'vitest';
import { BIOSCOPE_TRACE_RECORD_BYTES } from '../../app/contract/wire.gen';
import { browserPath } from './harness/browser';
import { harnessPages } from './harness/pages';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

describe.skipIf(browserPath === null)('the window (needs a Chromium)', () => {
  const openPage = harnessPages();
  let page: Page;

  const open = async (scene: string, size: { width?: number; height?: number } = {}) => {
    page = await openPage({ scene, ...size });
  };
  const copied = () => page.evaluate(() => window.harness.copied.at(-1));
  const rows = () => page.getByTestId('trace-row');
  const sequences = () =>
    rows().evaluateAll((elements) =>
      elements
        .filter((element) => element.getBoundingClientRect().bottom > 0)
        .map((element) => Number((element as HTMLElement).dataset['sequence']))
        .sort((left, right) => left - right),
    );

  it('teaches when there is no disk, and says what each route needs', async () => {
    await open('empty');
    const empty = page.getByTestId('empty-disks');
    await empty.getByText('bioscope attach disk.img').waitFor();
    await empty.getByText('Needs the kernel module dm-user, which is not loaded.').waitFor();
    await empty.getByRole('button', { name: 'Copy: bioscope attach disk.img' }).click();
    await page.getByTestId('toast').getByText('Copied').waitFor();
    expect(await copied()).toBe('bioscope attach disk.img');
  });

  it('teaches how to make requests when there are none', async () => {
    await open('waiting');
    const command = 'dd if=/dev/loop0 of=/dev/null bs=1M count=8 iflag=direct';
    await page.getByTestId('empty-trace').getByText(command).waitFor();
  });

  it('shows when nobody served, between the rows, and goes there by keyboard', async () => {
    await open('quiet');
    await rows().first().waitFor();
    const grid = page.getByTestId('trace-grid');
    await page.getByText('500 requests').first().waitFor();
    await page.evaluate(() => {
      window.harness.leaveUnserved(660);
      window.harness.makeRequests(300);
    });
    await grid.locator('[data-sequence="800"]').waitFor();
    expect(await page.getByTestId('trace-gap').count()).toBe(0);
    await grid.focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('g');
    const gap = page.getByTestId('trace-gap');
    await gap.getByText(/^No daemon served for 6\d\d ms; requests waited$/).waitFor();
    const selected = page.locator('[data-testid="trace-row"][aria-selected="true"]');
    await expect.poll(() => selected.getAttribute('data-sequence')).toBe('501');
    const top = async (place: Locator) => (await place.boundingBox())?.y ?? NaN;
    expect((await top(gap)) - (await top(grid.locator('[data-sequence="500"]')))).toBe(19);
    expect((await top(selected)) - (await top(gap))).toBe(19);
    await page.keyboard.press('g');
    await page.getByTestId('toast').getByText('There is no later time').waitFor();
    // A row is not what it is: nothing is selected there.
    await gap.click({ force: true });
    expect(await selected.getAttribute('data-sequence')).toBe('501');
  });

  it('shows several failed attachments at once, each with its way out', async () => {
    await open('quiet');
    // As a file manager copies two files.
    await page.getByTestId('attach-path').focus();
    await page.keyboard.insertText('file:///home/anna/missing.img\n/home/anna/locked.img\n');
    await page.keyboard.press('Enter');
    expect(await page.getByTestId('attach-path').inputValue()).toBe('');
    const problems = page.getByTestId('attach-problem');
    await problems.nth(1).waitFor();
    expect(await problems.count()).toBe(2);
    const missing = page.locator('[data-code="IMAGE_MISSING"]');
    expect(await missing.innerText()).toContain('/home/anna/missing.img does not exist');
    await missing.getByRole('button', { name: 'Try again' }).waitFor();
    await missing.getByRole('button', { name: 'Dismiss' }).click();
    await page
      .locator('[data-code="IMAGE_NOT_WRITABLE"]')
      .getByRole('button', { name: 'Attach read-only' })
      .click();
    const disk = page.getByTestId('disk').filter({ hasText: 'locked.img' });
    await disk.getByTestId('disk-read-only').waitFor();
    expect(await problems.count()).toBe(0);
    expect(await disk.getAttribute('data-selected')).toBe('true');
  });

  it('offers no second try at a capture whose content is what is wrong', async () => {
    await open('quiet');
    await page.getByTestId('attach-path').fill('/home/anna/cut.bioscope');
    await page.keyboard.press('Enter');
    const problem = page.locator('[data-testid="attach-problem"][data-code="CAPTURE_DAMAGED"]');
    await problem.getByText('cut.bioscope is damaged', { exact: true }).waitFor();
    expect(await problem.getByRole('button').allInnerTexts()).toEqual(['Dismiss']);
  });

  it('names the holder when a disk is busy, and detaches one that is free', async () => {
    await open('quiet');
    await page.getByTestId('detach').click();
    const refusal = page.getByTestId('detach-problem');
    await refusal.getByText('mounted on /mnt/rootfs · /dev/loop0p1').waitFor();
    await refusal.getByRole('button', { name: 'Dismiss' }).click();
    await page.getByTestId('disk-select').nth(1).focus();
    await page.keyboard.press('Delete');
    await page.getByTestId('toast').getByText('Detached debian-12.iso').waitFor();
    expect(await page.getByTestId('disk').count()).toBe(1);
  });

  it('says that the daemon is lost, and why each disk failed', async () => {
    await open('failed');
    await page.getByTestId('daemon-lost').getByText('was killed by SIGKILL').waitFor();
    expect(await page.getByTestId('disk-failure').count()).toBe(2);
    await page.getByTestId('status-lost').getByText('17 lost').waitFor();
    await page
      .getByTestId('daemon-lost')
      .getByRole('button', { name: 'Start the daemon again' })
      .click();
    await page.getByTestId('toast').getByText('The made-up daemon does not start.').waitFor();
  });

  it('points at what is wrong in the filter', async () => {
    await open('quiet');
    await page.keyboard.press('/');
    await page.keyboard.type('2048..40q5');
    const problem = page.getByTestId('filter-error');
    expect(await problem.locator('mark').innerText()).toBe('q5');
    await page.keyboard.press('Escape');
    await problem.waitFor({ state: 'detached' });
    expect(await page.getByTestId('filter-text').inputValue()).toBe('');
  });

  it('leads from the filter to the rows it left, by keyboard alone', async () => {
    await open('quiet');
    for (const key of ['Enter', 'ArrowDown']) {
      await page.keyboard.press('/');
      await page.keyboard.type('0..');
      await page.keyboard.press(key);
      await page.locator('#trace-grid:focus').waitFor();
    }
    // A key may come before the first rows do: there is nothing to select then.
    await rows().first().waitFor();
    const selected = page.locator('[data-testid="trace-row"][aria-selected="true"]');
    await expect
      .poll(async () => {
        await page.keyboard.press('Home');
        return selected.count();
      })
      .toBe(1);
  });

  it('selects bytes in the hex view and copies them in four forms', async () => {
    await open('quiet');
    await page.locator('[data-testid=trace-row][data-operation=write]').last().click();
    await page.keyboard.press('Control+2');
    const hex = page.getByTestId('hex');
    await hex.locator('[data-byte="0"]').getByText('73').waitFor();
    // The line that comes last: it moves the bytes.
    await page.getByTestId('changes-words').waitFor();
    await hex.locator('[data-byte="0"]').hover();
    await page.mouse.down();
    await hex.locator('[data-byte="5"]').hover();
    await page.mouse.up();
    expect(await hex.locator('.hex-character.selected').allInnerTexts()).toEqual(
      'sector'.split(''),
    );
    const forms: [string, string][] = [
      ['Copy hex', '73 65 63 74 6f 72'],
      ['Copy text', 'sector'],
      ['Copy base64', 'c2VjdG9y'],
    ];
    for (const [name, text] of forms) {
      await page.getByRole('button', { name, exact: true }).click();
      await expect.poll(copied).toBe(text);
    }
    await page.getByRole('button', { name: 'Copy C array' }).click();
    await expect.poll(copied).toContain('data[6] = {\n\t0x73, 0x65,');
    await hex.focus();
    await page.keyboard.press('Shift+ArrowRight');
    await page.keyboard.press('Control+c');
    await expect.poll(copied).toBe('73 65 63 74 6f 72 20');
    await page.keyboard.press('Control+End');
    await hex.locator('[data-byte="131071"]').waitFor();
  });

  it('offers what the image holds when the payload is gone, and says that it is that', async () => {
    await open('full');
    await page.getByTestId('status-requests').getByText('1,200,000 requests').waitFor();
    await page.getByTestId('filter-write').click();
    await page.getByTestId('trace-grid').focus();
    await page.keyboard.press('Home');
    const payload = page.getByTestId('payload');
    await page.getByTestId('payload-from-image').click();
    await payload.getByText('What the image holds there now').waitFor();
    expect(await payload.getAttribute('data-source')).toBe('image');
    expect(await page.locator('[data-byte="0"]').innerText()).toBe('73');
  });

  it('reaches every row of a million', async () => {
    await open('full');
    await page.getByTestId('status-requests').getByText('1,200,000 requests').waitFor();
    const grid = page.getByTestId('trace-grid');
    await expect.poll(async () => (await sequences()).at(-1)).toBe(1_200_000);
    expect(await grid.getAttribute('aria-rowcount')).toBe('1200001');
    await page.getByLabel('Requests kept at most').selectOption(String(1_048_576));
    await expect.poll(() => grid.getAttribute('aria-rowcount')).toBe('1048577');
    await grid.focus();
    await page.keyboard.press('Home');
    const oldest = 1_200_000 - 1_048_576 + 1;
    await expect.poll(async () => (await sequences())[0]).toBe(oldest);
    const body = (await page.locator('#trace-body').boundingBox())!;
    await page.mouse.move(body.x + 200, body.y + body.height / 3);
    await page.mouse.wheel(0, 19 * 3);
    await expect.poll(async () => (await sequences())[0]).toBe(oldest + 3);
    await page.getByText('The 151,424 oldest requests have left the table.').waitFor();
    await page.getByTestId('follow').click();
    await expect.poll(async () => (await sequences()).at(-1)).toBe(1_200_000);
  });

  it('takes a flood of records and loses none', async () => {
    await open('waiting');
    const count = 488 * 8192;
    const milliseconds = await page.evaluate((records) => window.harness.flood(records), count);
    const rate = count / milliseconds / 1000;
    const bytes = (rate * BIOSCOPE_TRACE_RECORD_BYTES).toFixed(0);
    console.log(`flood: ${rate.toFixed(2)} M records/s into the window (${bytes} MB/s)`);
    await page.getByTestId('status-requests').getByText('3,997,696 requests').waitFor();
    await expect.poll(async () => (await sequences()).at(-1)).toBe(count);
  });

  it('folds the inspector, then the disks, when it is narrow', async () => {
    await open('quiet', { width: 900, height: 600 });
    expect(await page.getByTestId('inspector').isVisible()).toBe(false);
    await rows()
      .last()
      .click({ position: { x: 30, y: 8 } });
    await page.keyboard.press('Enter');
    await page.getByTestId('inspector').waitFor();
    await page.keyboard.press('Escape');
    await page.getByTestId('inspector').waitFor({ state: 'detached' });
    expect(await page.getByTestId('disk-list').isVisible()).toBe(true);
    await page.setViewportSize({ width: 600, height: 600 });
    await page.getByTestId('disk-list').waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'Disks' }).click();
    await page.getByTestId('disk-list').waitFor();
  });

  it('gives panes that had to fold their widths back, dragged ones too', async () => {
    const widths = () =>
      page
        .locator('.dv-view')
        .evaluateAll((panes) =>
          panes.map((pane) => Math.round(pane.getBoundingClientRect().width)),
        );
    const resize = async (width: number) => {
      await page.setViewportSize({ width, height: 800 });
      await page.waitForTimeout(300);
    };
    await open('quiet', { width: 1440, height: 800 });
    await expect.poll(widths).toEqual([264, 720, 456]);
    await page.mouse.move(264, 400);
    await page.mouse.down();
    await page.mouse.move(304, 400, { steps: 4 });
    await page.mouse.up();
    await expect.poll(widths).toEqual([304, 680, 456]);
    for (const width of [1000, 700, 1000, 1440]) await resize(width);
    await expect.poll(widths).toEqual([304, 680, 456]);
  });

  it('copies a row as text, and filters to its sectors from its menu', async () => {
    await open('quiet');
    const row = page.locator('[data-testid=trace-row][data-sequence="489"]');
    await row.click({ position: { x: 30, y: 8 } });
    await page.keyboard.press('Control+c');
    await expect
      .poll(copied)
      .toMatch(/^489\t\d+\.\d{6}\twrite\t\d+\t131072\tBACKGROUND\t[\d.]+ µs\tok$/);
    await row.click({ button: 'right', position: { x: 30, y: 8 } });
    await page.getByRole('menuitem', { name: 'Show only requests to these sectors' }).click();
    await expect
      .poll(() => page.getByTestId('filter-text').inputValue())
      .toBe('sector in 649472..649727');
    await expect.poll(sequences).toContain(489);
  });

  it('completes a filter, and keeps it among the recent ones', async () => {
    await open('quiet');
    const field = page.getByTestId('filter-text');
    await field.fill('');
    await field.pressSequentially('fla');
    await page.getByRole('option', { name: /^flags/ }).waitFor();
    await page.keyboard.press('Tab');
    await page.getByRole('option', { name: /^has/ }).click();
    await page.keyboard.type('fu');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await expect.poll(() => field.inputValue()).toBe('flags has fua ');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Enter');
    const flags = rows().locator('[data-column=flags]');
    await expect.poll(() => flags.filter({ hasNotText: 'FUA' }).count()).toBe(0);
    expect(await rows().count()).toBeGreaterThan(0);
    await page.getByTestId('filter-memory').click();
    await page.getByRole('menuitem', { name: 'Save this filter' }).click();
    await field.fill('');
    await page.getByTestId('filter-memory').click();
    await page.getByRole('menuitem', { name: 'flags has fua' }).click();
    await expect.poll(() => field.inputValue()).toBe('flags has fua');
  });

  it('lets the filter be left with Tab, whatever it offers', async () => {
    await open('quiet');
    const field = page.getByTestId('filter-text');
    await field.pressSequentially('lat');
    await page.keyboard.press('Tab');
    await page.getByRole('option', { name: /^>=/ }).waitFor();
    expect(await field.inputValue()).toBe('latency ');
    await page.keyboard.press('Tab');
    await page.locator('[data-testid=filter-memory]:focus').waitFor();
    await page.keyboard.press('Shift+Tab');
    // Tab has chosen the whole text.
    await field.press('End');
    await page.keyboard.press('Control+Space');
    await page.getByRole('option', { name: /^>=/ }).waitFor();
    await page.keyboard.press('Shift+Tab');
    await page.locator('[data-testid=filter-text]:not(:focus)').waitFor();
    expect(await field.inputValue()).toBe('latency ');
  });

  it('sorts by latency, filters by a value, jumps, and marks', async () => {
    await open('quiet');
    await page.getByRole('columnheader', { name: 'Latency' }).click();
    const latencies = () =>
      rows().evaluateAll((elements) =>
        elements
          .sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)
          .map((row) =>
            Number(
              row
                .querySelector<HTMLElement>('[data-column=latency]')!
                .title.replaceAll(/[^0-9]/g, ''),
            ),
          ),
      );
    await expect
      .poll(async () => {
        const shown = await latencies();
        return (
          shown.length > 5 && shown.every((one, index) => index === 0 || one <= shown[index - 1]!)
        );
      })
      .toBe(true);
    await page.getByRole('columnheader', { name: 'Seq' }).click();
    await page.getByTestId('trace-grid').focus();
    await page.keyboard.press('Control+g');
    await page.keyboard.type('123');
    await page.keyboard.press('Enter');
    const row = page.locator('[data-testid=trace-row][data-sequence="123"]');
    await expect.poll(() => row.getAttribute('aria-selected')).toBe('true');
    await page.keyboard.press('m');
    await expect.poll(() => row.getAttribute('class')).toContain('marked');
    await page.keyboard.press('Shift+ArrowDown');
    await page.keyboard.press('Control+Shift+C');
    await expect.poll(copied).toMatch(/^Seq,Time \(s\),Op,.*\n123,.*\n124,[^\n]*$/);
    await page.getByTestId('filter-text').fill('marked');
    await expect.poll(sequences).toEqual([123]);
    await row.locator('[data-column=operation]').click({ button: 'right' });
    await page.getByRole('menuitem', { name: /^Filter: op == / }).click();
    await expect
      .poll(() => page.getByTestId('filter-text').inputValue())
      .toMatch(/^marked && op == /);
    await expect.poll(sequences).toEqual([123]);
  });

  it('sorts, and opens the menus of rows and columns, by keyboard', async () => {
    await open('quiet');
    const grid = page.getByTestId('trace-grid');
    await rows().first().waitFor();
    const latency = page.getByRole('columnheader', { name: 'Latency' });
    await latency.focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => latency.getAttribute('aria-sort')).toBe('descending');
    await page.keyboard.press(' ');
    await expect.poll(() => latency.getAttribute('aria-sort')).toBe('ascending');
    await page.keyboard.press('ContextMenu');
    await page.getByRole('menuitem', { name: 'In the order of arrival' }).press('Enter');
    await expect.poll(() => latency.getAttribute('aria-sort')).toBe('none');

    await grid.focus();
    await page.keyboard.press('End');
    const selected = page.locator('[data-testid="trace-row"][aria-selected="true"]');
    await selected.waitFor();
    const sequence = await selected.getAttribute('data-sequence');
    await page.keyboard.press('Shift+F10');
    await page.getByRole('menuitem', { name: /^Inspect request/ }).waitFor();
    await page.keyboard.press('Home');
    await page.getByRole('menuitem', { name: /^Filter: op == / }).press('Enter');
    await expect.poll(() => page.getByTestId('filter-text').inputValue()).toMatch(/^op == /);
    // The menu's keys have moved nothing in the table.
    await expect.poll(() => selected.getAttribute('data-sequence')).toBe(sequence);
    await page.locator('#trace-grid:focus').waitFor();
  });

  it('hides, widens and moves columns', async () => {
    await open('quiet');
    const titles = () => page.getByRole('columnheader').allInnerTexts();
    await page.getByRole('columnheader', { name: 'Flags' }).click({ button: 'right' });
    await page.getByRole('menuitemcheckbox', { name: 'Flags' }).click();
    await page.keyboard.press('Escape');
    await expect.poll(titles).not.toContain('Flags');
    await page.getByRole('columnheader', { name: 'Op' }).click({ button: 'right' });
    await page.getByRole('menuitem', { name: 'Move left' }).click();
    await expect.poll(async () => (await titles()).slice(0, 3)).toEqual(['Seq', 'Op', 'Time (s)']);
    const width = async () =>
      (await page.getByRole('columnheader', { name: 'Op' }).boundingBox())!.width;
    const before = await width();
    const edge = (await page.getByTestId('column-edge-operation').boundingBox())!;
    await page.mouse.move(edge.x + 3, edge.y + 5);
    await page.mouse.down();
    await page.mouse.move(edge.x + 43, edge.y + 5, { steps: 3 });
    await page.mouse.up();
    await expect.poll(width).toBeGreaterThan(before + 30);
    const cells = rows().first().getByRole('gridcell');
    await expect.poll(async () => (await cells.nth(1).boundingBox())!.width).toBe(await width());
  });
});
