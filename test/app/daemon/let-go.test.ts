import { readdirSync, readFileSync, readlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { addon } from '../capture/support';

/** Whether this process has the file open, or mapped. */
function holds(path: string): boolean {
  const links = readdirSync('/proc/self/fd').map((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`);
    } catch {
      return ''; // the directory's own
    }
  });
  return links.includes(path) || readFileSync('/proc/self/maps', 'utf8').includes(` ${path}\n`);
}

test('images that were handed over are closed on demand, while a recording has the payloads', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'bioscope-let-go-'));
  try {
    const [imagePath, tracePath] = [join(directory, 'image'), join(directory, 'trace')];
    writeFileSync(imagePath, 'what is on the disk');
    truncateSync(imagePath, 1 << 20);
    const disk = await addon.openDisk({
      number: 1,
      imagePath,
      readOnly: false,
      route: 'dm-user',
      tracePath,
      resumeTrace: false,
      threads: 2,
      ringCapacity: 1024,
      payloadLimit: 1 << 20,
      trace: true,
    });
    const payloads = addon.openPayloads(tracePath);
    await addon.letGoOfImages();
    expect(Buffer.from(await disk.readImage(0n, 19)).toString()).toBe('what is on the disk');
    await disk.handOver();
    expect(holds(imagePath)).toBe(true);
    await addon.letGoOfImages();
    expect(holds(imagePath)).toBe(false);
    expect(holds(tracePath)).toBe(true);
    const none = new ArrayBuffer(0);
    expect(payloads.read(none, 0, 'all', none, 0, none)).toEqual({ count: 0, used: 0, gone: 0 });
    await addon.letGoOfImages();
  } finally {
    await rm(directory, { recursive: true });
  }
});
