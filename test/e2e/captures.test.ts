/** A disk is recorded in the window, and the capture is opened by dropping it there. */
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
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
      /made\.bioscope: [\d,]+ requests?\b/,
    );
  });

  it('is opened by a drop, as what it is, with its rows', async () => {
    const { page } = desktop;
    await desktop.drop([capture]);
    const item = page.locator('[data-testid="disk"][data-state="capture"]');
    await item.getByTestId('disk-select').click();
    await expect(item.getByTestId('capture-facts').innerText()).resolves.toMatch(
      /^[\d,]+ requests?\n/,
    );
    await page.getByTestId('top-capture').waitFor();
    const row = page.locator('[data-testid="trace-row"][data-operation="write"]').first();
    await row.waitFor();
    await expect(row.innerText()).resolves.toContain('1,234');
    await desktop.picture('capture-opened');
  });

  it('has its payloads in the inspector', async () => {
    const { page } = desktop;
    await page.getByTestId('filter-text').fill('write && sector in 1234..1234');
    await until('that request alone', async () => {
      return (await page.getByTestId('filter-count').innerText()).startsWith('1 of ');
    });
    await page.getByTestId('trace-grid').focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('Enter');
    await page.getByTestId('inspector').getByRole('tab', { name: 'Payload' }).click();
    await page.locator('[data-testid="payload"][data-source="kept"]').waitFor();
    const characters = await page.locator('[data-character]').allInnerTexts();
    expect(characters.join('').slice(0, 21)).toBe('capture me capture me');
    await desktop.picture('capture-payload');
    await page.getByTestId('filter-text').fill('');
  });

  /** What the application menu does. */
  const chooseInMenu = (id: string) =>
    desktop.application.evaluate(({ Menu }, name) => {
      Menu.getApplicationMenu()?.getMenuItemById(name)?.click();
    }, id);

  /** What the next dialog for a file to be made answers. */
  const answerSaveDialog = (filePath: string) =>
    desktop.application.evaluate(({ dialog }, path) => {
      dialog.showSaveDialog = () => Promise.resolve({ canceled: false, filePath: path });
    }, filePath);

  it('is exported from the menu, with the keyboard alone', async () => {
    const { page } = desktop;
    const path = join(workspace.directory, 'out.json');
    await answerSaveDialog(path);
    await chooseInMenu('export');
    await page.getByTestId('export-iolog').waitFor();
    await desktop.picture('capture-export');
    await page.keyboard.press('End');
    await page.keyboard.press('Enter');
    await page.getByTestId('toast').getByText(`Exported to ${path}`).waitFor();
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    const requests = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(requests).toContainEqual(
      expect.objectContaining({ operation: 'write', sector: '1234', length: '512', payload: true }),
    );
  });

  it('is exported with a button, and nothing is replaced that was not asked about', async () => {
    const { page } = desktop;
    await answerSaveDialog(join(workspace.directory, 'out'));
    const choose = async () => {
      await page.getByTestId('export').click();
      await page.getByTestId('export-blktrace').click();
    };
    await choose();
    const whole = join(workspace.directory, 'out.blktrace.0');
    await page.getByTestId('toast').getByText(`Exported to ${whole}`).waitFor();
    expect(statSync(whole).size).toBeGreaterThan(0);
    await choose();
    const problem = page.locator('[data-testid="attach-problem"][data-code="FILE_EXISTS"]');
    await problem.waitFor();
    await expect(problem.innerText()).resolves.toContain(`${whole} exists already`);
    await problem.getByRole('button', { name: 'Dismiss' }).click();
  });

  const markedRow = () => desktop.page.locator('[data-testid="trace-row"].marked').first();

  it('is closed again like a disk is detached', async () => {
    const item = desktop.page.locator('[data-testid="disk"][data-state="capture"]');
    await desktop.page.getByTestId('trace-grid').focus();
    await desktop.page.keyboard.press('Home');
    await desktop.page.keyboard.press('m');
    await markedRow().waitFor();
    await item.getByRole('button', { name: 'Close source.img' }).click();
    await item.waitFor({ state: 'detached' });
  });

  it('is opened from the menu, and what is no capture is not attached instead', async () => {
    const { page, application } = desktop;
    const paths = [workspace.image('none.img', 1), capture];
    await application.evaluate(({ dialog }, filePaths) => {
      dialog.showOpenDialog = () => Promise.resolve({ canceled: false, filePaths });
    }, paths);
    await chooseInMenu('open-capture');
    await page.locator('[data-testid="disk"][data-state="capture"]').waitFor();
    await page.getByTestId('top-capture').waitFor();
    const problem = page.locator('[data-testid="attach-problem"][data-code="CAPTURE_FOREIGN"]');
    await problem.waitFor();
    expect(await problem.getByRole('button').allInnerTexts()).toEqual(['Dismiss']);
    // Its rows are there, and nothing says any more that they are being read.
    await until('all of it', async () => (await page.getByTestId('capture-opening').count()) === 0);
    expect(await desktop.page.getByTestId('disk').count()).toBe(2);
    await page.getByTestId('trace-grid').focus();
    await page.keyboard.press('Home');
    await markedRow().waitFor(); // what was marked before it was closed
  });

  it('is closed, and says why, when its file has gone and its rows are wanted again', async () => {
    const { page } = desktop;
    rmSync(capture);
    await page.reload();
    const problem = page.getByTestId('attach-problem').getByText(`${capture} does not exist`);
    await problem.waitFor();
    await page.locator('[data-testid="disk"][data-state="capture"]').waitFor({ state: 'detached' });
    expect(await page.getByTestId('disk').count()).toBe(1);
  });
});
