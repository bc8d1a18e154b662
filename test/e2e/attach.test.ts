/** First light: an image dropped on the window becomes a disk, and its real I/O is seen. */
import { closeSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { command, until } from '../support/commands';
import { Desktop } from '../support/desktop';
import { pictureOnFailure } from '../support/failure-picture';
import { Workspace, isServing } from '../support/workspace';

const isRoot = process.getuid?.() === 0;

/** `length` bytes of a file at `offset`. */
function bytesAt(path: string, offset: number, length: number): Buffer {
  const file = openSync(path, 'r');
  const bytes = Buffer.alloc(length);
  readSync(file, bytes, 0, length, offset);
  closeSync(file);
  return bytes;
}

describe.skipIf(!isRoot)('an image dropped on the window (needs root)', () => {
  let workspace: Workspace;
  let desktop: Desktop;
  let image: string;
  let device: string;
  const text = 'first light\n'.repeat(10_000);
  const file = () => join(workspace.mountPoint, 'hello.txt');

  pictureOnFailure(() => desktop);
  beforeAll(async () => {
    workspace = new Workspace();
    image = workspace.image('first-light.img', 64);
    desktop = await Desktop.launch(workspace);
  });
  afterAll(async () => {
    await desktop.close();
    await workspace.end();
  });

  /** The hex view's first `count` bytes. */
  async function shownBytes(count: number): Promise<Buffer> {
    const hex = desktop.page.getByTestId('hex');
    await hex.locator('[data-byte="0"]').waitFor();
    const texts: string[] = [];
    for (let index = 0; index < count; index++) {
      texts.push(await hex.locator(`[data-byte="${index}"]`).innerText());
    }
    return Buffer.from(texts.join(''), 'hex');
  }

  async function fieldValue(name: string): Promise<string> {
    const field = desktop.page.locator(`[data-testid="field"][data-field="${name}"]`);
    const value = await field.locator('[data-value]').or(field).first().getAttribute('data-value');
    return value ?? '';
  }

  it('teaches what to do while there is none', async () => {
    await expect(desktop.page.getByTestId('empty-disks').innerText()).resolves.toMatch(/drop/i);
  });

  it('becomes a block device that the kernel has', async () => {
    await desktop.drop([image]);
    device = await desktop.device('first-light.img');
    expect(device).toMatch(/^\/dev\/loop\d+$/);
    const size = await command('blockdev', '--getsize64', device);
    expect(Number(size)).toBe(64 << 20);
    const listed = await command('losetup', '--list', '--noheadings', '--output', 'DIO,RO', device);
    expect(listed.trim().split(/\s+/)).toEqual(['1', '0']);
  });

  it('shows the writes of mkfs and of files, while they happen', async () => {
    await desktop.select('first-light.img');
    await command('mkfs.ext4', '-q', '-F', device);
    await command('mount', device, workspace.mountPoint);
    writeFileSync(file(), text);
    await command('sync', '-f', workspace.mountPoint);
    await desktop.rows('write').first().waitFor();
    const [disk] = await workspace.disks();
    expect(disk?.holders.map(({ name }) => name)).toContain(workspace.mountPoint);
  });

  it('shows in the inspector the bytes that the image holds there', async () => {
    const { page } = desktop;
    // Where the file's data lies on the device, in sectors.
    const extents = await command('filefrag', '-v', '-b512', file());
    const start = Number(/^\s*0:\s+0\.\.\s*\d+:\s+(\d+)\.\./m.exec(extents)?.[1]);
    await page.getByTestId('filter-text').fill(String(start));
    const row = desktop.rows('write');
    await until('that write alone', async () => (await row.count()) === 1);
    await desktop.clickRow(row);
    const inspector = page.getByTestId('inspector');
    const sequence = await row.getAttribute('data-sequence');
    await inspector.and(page.locator(`[data-sequence="${sequence}"]`)).waitFor();
    expect(Number(await fieldValue('sector'))).toBe(start);
    expect(Number(await fieldValue('bytes'))).toBeGreaterThanOrEqual(text.length);
    await inspector.getByRole('tab', { name: 'Payload' }).click();
    await page.locator('[data-testid="payload"][data-source="kept"]').waitFor();
    const shown = await shownBytes(64);
    expect(shown.toString()).toBe(text.slice(0, 64));
    expect(shown.toString('hex')).toBe(bytesAt(image, start * 512, 64).toString('hex'));
    await page.getByTestId('filter-text').fill('');
  });

  it('names the fields of the superblock that was written', async () => {
    const { page } = desktop;
    const uuid = await command('blkid', '-p', '-s', 'UUID', '-o', 'value', device);
    await page.getByTestId('filter-text').fill('write && 2..2');
    const inspector = page.getByTestId('inspector');
    await inspector.getByRole('tab', { name: 'Payload' }).click();
    const magic = page.locator('[data-testid="structure-row"][data-name="s_magic"]');
    // The first of these writes are zeroes, with which mkfs wipes what was there.
    await until('the last write of the superblock', async () => {
      await page.getByTestId('trace-grid').focus();
      await page.keyboard.press('End');
      return (await magic.count()) === 1;
    });
    expect(await magic.innerText()).toContain('0xef53');
    expect(await magic.getAttribute('data-length')).toBe('2');
    const row = page.locator('[data-testid="structure-row"][data-name="s_uuid"]');
    expect(await row.innerText()).toContain(uuid.trim());
    const structure = page.locator('[data-testid="structure-row"][aria-level="1"]').first();
    expect(await structure.getAttribute('data-confidence')).toBe('checked');
    await page.getByTestId('filter-text').fill('');
  });

  it('is not detached while it is mounted, and the window names the mount point', async () => {
    const { page } = desktop;
    await page.getByTestId('detach').click();
    const problem = page.getByTestId('detach-problem');
    await problem.waitFor();
    await expect(problem.innerText()).resolves.toContain(workspace.mountPoint);
    expect(readFileSync(file(), 'utf8')).toContain('first light');
  });

  it('is detached once it is unmounted, and nothing is left', async () => {
    const { page } = desktop;
    expect(isServing(device, 'first-light.img')).toBe(true);
    await workspace.unmount();
    await page.getByTestId('detach-problem').getByRole('button', { name: 'Try again' }).click();
    await page.getByTestId('disk').waitFor({ state: 'detached' });
    expect(isServing(device, 'first-light.img')).toBe(false);
    await until('the disk is gone', async () => (await workspace.disks()).length === 0);
    await expect(command('e2fsck', '-fn', image)).resolves.toContain('first-light');
  }, 60_000);

  it('never made the page complain', () => {
    expect(desktop.complaints).toEqual([]);
  });
});

describe.skipIf(!isRoot)('an image chosen in the file picker (needs root)', () => {
  let workspace: Workspace;
  let desktop: Desktop;

  pictureOnFailure(() => desktop);
  beforeEach(async () => {
    workspace = new Workspace();
    desktop = await Desktop.launch(workspace);
  });
  afterEach(async () => {
    await desktop.close();
    await workspace.end();
  });

  it('becomes a read-only device when that is switched on', async () => {
    const { page } = desktop;
    const image = workspace.image('picked.img', 8, true);
    await desktop.application.evaluate(({ dialog }, path) => {
      dialog.showOpenDialog = () => Promise.resolve({ canceled: false, filePaths: [path] });
    }, image);
    await page.getByTestId('attach-read-only').click();
    await page.getByTestId('attach-choose').click();
    const device = await desktop.device('picked.img');
    await (await desktop.disk('picked.img')).getByTestId('disk-read-only').waitFor();
    expect((await command('blockdev', '--getro', device)).trim()).toBe('1');
    await expect(command('dd', 'if=/dev/zero', `of=${device}`, 'count=1')).rejects.toThrow(
      /Operation not permitted|Read-only/,
    );
    expect(bytesAt(image, 0, 16).toString()).toBe('0'.repeat(16));
  });
});

describe.skipIf(!isRoot)('a payload that is no longer kept (needs root)', () => {
  let workspace: Workspace;
  let desktop: Desktop;

  pictureOnFailure(() => desktop);
  beforeEach(() => {
    workspace = new Workspace();
  });
  afterEach(async () => {
    await desktop.close();
    await workspace.end();
  });

  it('says so, and offers what the image holds there now, labelled as such', async () => {
    const image = workspace.image('evicted.img', 64, true);
    const environment = { BIOSCOPE_PAYLOAD_MIB: '1' };
    desktop = await Desktop.launch(workspace, { images: [image], environment });

    const { page } = desktop;
    const device = await desktop.device('evicted.img');
    await desktop.select('evicted.img');
    // The read looked at, then far more than the megabyte that is kept.
    const read = (block: number, count: number) =>
      command(
        'dd',
        `if=${device}`,
        'of=/dev/null',
        'iflag=direct',
        'bs=64k',
        `skip=${block}`,
        `count=${count}`,
        'status=none',
      );
    await page.getByTestId('filter-text').fill('65536');
    await read(512, 1);
    const row = desktop.rows('read').last();
    await row.waitFor();
    await read(0, 400);
    await desktop.clickRow(row);
    const inspector = page.getByTestId('inspector');
    await inspector.getByRole('tab', { name: 'Payload' }).click();
    await page.locator('[data-testid="payload"][data-source="gone"]').waitFor();
    await page.getByTestId('payload-from-image').click();
    const payload = page.locator('[data-testid="payload"][data-source="image"]');
    await payload.waitFor();
    await expect(payload.innerText()).resolves.toMatch(/image/i);
    const characters: string[] = [];
    for (let index = 0; index < 16; index++) {
      characters.push(await payload.locator(`[data-character="${index}"]`).innerText());
    }
    // Sector 65,536 is where block 8,192 begins.
    expect(characters.join('')).toBe('0000000000008192');
  });
});
