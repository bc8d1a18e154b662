/** The structures of a payload in the window, with an outside that is made up (../harness). */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { browserPath, type HarnessBrowser, startHarness } from '../harness/browser';
import type { PlantedRequest } from '../harness/planted';
import { Device, hasProgram, Images, run } from './images';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const MIB = 1 << 20;
const canRun = browserPath !== null && hasProgram('mke2fs');

describe.skipIf(!canRun)('the structures in the window (need a Chromium, e2fsprogs)', () => {
  const images = new Images();
  let harness: HarnessBrowser;
  let page: Page;
  let device: Device;
  const complaints: string[] = [];

  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const row = (name: string) =>
    page.locator(`[data-testid="structure-row"][data-name=${JSON.stringify(name)}]`);
  /** Has the disk serve `requests`, and selects the last of them. */
  const select = async (...requests: PlantedRequest[]): Promise<void> => {
    const sequences = await page.evaluate(
      (planted) => window.harness.plantRequests(planted),
      requests,
    );
    const inspector = page.getByTestId('inspector');
    await page.getByTestId('trace-grid').focus();
    await expect
      .poll(async () => {
        await page.keyboard.press('End');
        return inspector.getAttribute('data-sequence');
      })
      .toBe(String(sequences.at(-1)));
    await page.keyboard.press('Control+2');
    await page.getByTestId('facts').waitFor();
  };

  beforeAll(async () => {
    const path = images.make('ext4.img', 16 * MIB);
    run('mke2fs', ['-q', '-t', 'ext4', '-b', '4096', path]);
    device = new Device(path);
    harness = await startHarness();
    page = await harness.open({ scene: 'quiet' });
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.getByTestId('trace-row').first().waitFor();
  });
  afterEach(() => expect(complaints.splice(0)).toEqual([]));
  afterAll(async () => {
    await page.close();
    await harness.close();
    device.close();
    images.remove();
  });

  it('are a tree whose fields mark their bytes, and bytes their fields', async () => {
    await select({ operation: 'write', sector: 0, base64: base64(device.bytes(0, 4096)) });
    await row('s_magic').hover();
    expect(await row('s_magic').innerText()).toContain('0xef53');
    const marked = page.locator('.hex-byte.in-field');
    await row('s_magic').click();
    await expect.poll(() => marked.allInnerTexts()).toEqual(['53', 'ef']);
    await page.locator('[data-byte="1080"]').hover();
    const meaning = page.getByTestId('hex-field');
    await meaning.getByText('ext4 superblock › s_magic: 0xef53').waitFor();
    expect(await row('s_magic').getAttribute('data-hovered')).toBe('true');
  });

  it('are walked through by keyboard', async () => {
    const tree = page.getByTestId('structures');
    const active = page.locator('[data-testid="structure-row"][aria-selected="true"]');
    const name = () => active.getAttribute('data-name');
    await tree.focus();
    await page.keyboard.press('Home');
    await expect.poll(name).toBe('ext4 superblock');
    await page.keyboard.press('ArrowLeft');
    await expect.poll(() => active.getAttribute('aria-expanded')).toBe('false');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await expect.poll(name).toBe('s_inodes_count');
    await expect.poll(() => page.locator('[data-byte="1024"].in-field').count()).toBe(1);
    await page.keyboard.press('ArrowLeft');
    await expect.poll(name).toBe('ext4 superblock');
    await page.keyboard.press('ArrowDown');
    await expect.poll(name).toBe('s_inodes_count');
    await row('ext4 superblock').locator('.tree-twist').click();
    await expect.poll(name).toBe('ext4 superblock');
  });

  it('are told by their place once the superblock has been written', async () => {
    const block = 4096;
    const descriptors = device.bytes(block, block);
    await select({ operation: 'write', sector: 8, base64: base64(descriptors) });
    await row('ext4 group descriptors').waitFor();
    expect(await row('ext4 group descriptors').getAttribute('data-confidence')).toBe('checked');
  });

  it('are none in garbage, of which the entropy is told', async () => {
    let state = 1;
    const garbage = Uint8Array.from({ length: 8192 }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return state >>> 23;
    });
    await select({ operation: 'write', sector: 20_000, base64: base64(garbage) });
    await page.getByTestId('facts').getByText('compressed or encrypted').waitFor();
    expect(await page.getByTestId('structures').count()).toBe(0);
    const words = 'No earlier write of these sectors is among the requests kept.';
    await page.getByTestId('changes').getByText(words).waitFor();
  });

  it('are compared with the write before', async () => {
    const before = device.bytes(0, 4096);
    const after = before.slice();
    after[1024 + 0x34] = 7;
    after[4000] = 1;
    await select(
      { operation: 'write', sector: 0, base64: base64(before) },
      { operation: 'write', sector: 0, base64: base64(after) },
    );
    const changes = page.locator('[data-testid="changes"][data-state="there"]');
    await changes.waitFor();
    expect(await changes.getAttribute('data-changed')).toBe('2');
    expect(await changes.innerText()).toContain('2 of 4,096 bytes changed since seq ');
    const next = changes.getByRole('button', { name: 'Next change' });
    await next.click();
    await page.locator('[data-byte="1076"].changed').waitFor();
    await next.click();
    await page.locator('[data-byte="4000"].changed').waitFor();
    expect(await page.getByTestId('changes-place').innerText()).toBe('2 of 2');
    expect(await row('ext4 superblock').getAttribute('data-confidence')).toBe('damaged');
  });
});
