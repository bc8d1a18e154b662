/** A disk is recorded in the window, and the capture is opened by dropping it there. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { command, until } from '../support/commands';
import { Desktop } from '../support/desktop';
import { pictureOnFailure } from '../support/failure-picture';
import { Workspace } from '../support/workspace';

const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)('a recording (needs root)', () => {
  let workspace: Workspace;
  let desktop: Desktop;
  let capture: string;

  pictureOnFailure(() => desktop);
  beforeAll(async () => {
    workspace = new Workspace();
    capture = join(workspace.directory, 'made.bioscope');
    desktop = await Desktop.launch(workspace);
  });
  afterAll(async () => {
    await desktop.close();
    await workspace.end();
  });

  it('is begun and ended with a button, and shown while it goes on', async () => {
    const { page, application } = desktop;
    await desktop.drop([workspace.image('source.img', 8)]);
    const device = await desktop.device('source.img');
    await application.evaluate(({ dialog }, filePath) => {
      dialog.showSaveDialog = () => Promise.resolve({ canceled: false, filePath });
    }, capture);
    await page.getByTestId('record').click();
    await page.getByTestId('record-payloads-all').click();
    await page.getByTestId('record-start').click();
    await page.getByTestId('recording').waitFor();
    const source = join(workspace.directory, 'sector');
    writeFileSync(source, 'capture me '.repeat(100).slice(0, 512));
    await command(
      'dd',
      `if=${source}`,
      `of=${device}`,
      'bs=512',
      'seek=1234',
      'oflag=direct',
      'conv=notrunc',
      'status=none',
    );
    await until('the request in the recording', async () => {
      const text = await page.getByTestId('recording-records').innerText();
      return Number(text.replaceAll(/\D/g, '')) > 0;
    });
    await desktop.picture('recording');
    await page.getByTestId('recording').click();
    await page.getByTestId('record').waitFor();
    await expect(page.getByTestId('toast').innerText()).resolves.toMatch(
      /made\.bioscope: \d+ requests/,
    );
  });

  it('is opened by a drop, as what it is, with its rows', async () => {
    const { page } = desktop;
    await desktop.drop([capture]);
    const item = page.locator('[data-testid="disk"][data-state="capture"]');
    await item.getByTestId('disk-select').click();
    await expect(item.getByTestId('capture-facts').innerText()).resolves.toMatch(/requests/);
    await page.getByTestId('top-capture').waitFor();
    const row = page.locator('[data-testid="trace-row"][data-operation="write"]').first();
    await row.waitFor();
    await expect(row.innerText()).resolves.toContain('1,234');
    await desktop.picture('capture-opened');
  });

  it('is closed again like a disk is detached', async () => {
    const item = desktop.page.locator('[data-testid="disk"][data-state="capture"]');
    await item.getByRole('button', { name: 'Close source.img' }).click();
    await item.waitFor({ state: 'detached' });
  });
});
