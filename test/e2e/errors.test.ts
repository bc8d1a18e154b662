/** Images that cannot be attached: each one's reason is on the screen, and nothing else changes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Desktop } from '../support/desktop';
import { pictureOnFailure } from '../support/failure-picture';
import { Workspace } from '../support/workspace';

describe('an image that cannot be attached', () => {
  let workspace: Workspace;
  let desktop: Desktop;

  pictureOnFailure(() => desktop);
  beforeAll(async () => {
    workspace = new Workspace();
    desktop = await Desktop.launch(workspace, {
      images: [join(workspace.directory, 'from-the-command-line.img')],
    });
  });
  afterAll(async () => {
    await desktop.close();
    await workspace.end();
  });

  /** The problem that the window shows for a path, and takes it off the screen. */
  async function problem(path: string): Promise<{ code: string; text: string }> {
    const shown = desktop.page.locator(`[data-testid="attach-problem"][data-path="${path}"]`);
    await shown.waitFor();
    const code = (await shown.getAttribute('data-code')) ?? '';
    const text = await shown.innerText();
    await shown.getByRole('button', { name: 'Dismiss' }).click();
    await shown.waitFor({ state: 'detached' });
    return { code, text };
  }

  it('is named when it came from the command line and is missing', async () => {
    const { code, text } = await problem(join(workspace.directory, 'from-the-command-line.img'));
    expect(code).toBe('IMAGE_MISSING');
    expect(text).toContain('from-the-command-line.img');
  });

  it('is refused when it is missing, typed as a path', async () => {
    const path = join(workspace.directory, 'missing.img');
    await desktop.page.getByTestId('attach-path').fill(path);
    await desktop.page.getByTestId('attach-path').press('Enter');
    const { code, text } = await problem(path);
    expect(code).toBe('IMAGE_MISSING');
    expect(text).toContain(path);
  });

  it('is refused when it is empty, dropped', async () => {
    const path = join(workspace.directory, 'empty.img');
    writeFileSync(path, '');
    await desktop.drop([path]);
    const { code, text } = await problem(path);
    expect(code).toBe('IMAGE_EMPTY');
    expect(text).toMatch(/empty/i);
  });

  it('is refused when it is a directory, dropped', async () => {
    const path = join(workspace.directory, 'a-directory');
    mkdirSync(path);
    await desktop.drop([path]);
    const { code, text } = await problem(path);
    expect(code).toBe('IMAGE_NOT_A_FILE');
    expect(text).toMatch(/directory/i);
  });

  it('is refused when it has less than one sector', async () => {
    const path = join(workspace.directory, 'short.img');
    writeFileSync(path, 'x'.repeat(511));
    await desktop.drop([path]);
    const { code, text } = await problem(path);
    expect(code).toBe('IMAGE_TOO_SMALL');
    expect(text).toMatch(/512|sector/i);
  });

  it('leaves no disk behind', async () => {
    expect(await workspace.disks()).toEqual([]);
    await desktop.page.getByTestId('empty-disks').waitFor();
    expect(desktop.complaints).toEqual([]);
  });
});
