/**
 * A demo that was killed (SIGKILL) leaves its disk attached and its image in
 * place. The next demo takes both away, and says so.
 */
import { rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { DaemonClient } from '../../client/daemon-client';
import { toErrorValue } from '../../contract/errors';
import { onOneLine } from '../table';
import type { Terminal } from '../terminal';
import { DEMO_IMAGE, demoProcess } from './demo-image';

/** Detaches the disks of demos whose process has ended, and removes their images; tells of those that stay. */
export async function clearEarlierDemos(client: DaemonClient, terminal: Terminal): Promise<void> {
  const { disks } = await client.invoke('disks.list', {});
  for (const { id, imagePath } of disks) {
    const directory = dirname(imagePath);
    const pid = basename(imagePath) === DEMO_IMAGE ? demoProcess(directory) : null;
    if (pid === null || isAlive(pid)) continue;
    try {
      await client.invoke('disks.detach', { disk: id });
      await rm(directory, { recursive: true, force: true });
      terminal.say(
        `took away the disk (${id}) and the image ${onOneLine(imagePath)} of an earlier demo that was killed`,
      );
    } catch (thrown) {
      terminal.say(`of an earlier demo that was killed: ${toErrorValue(thrown).message}`);
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return toErrorValue(thrown).errno === 'EPERM';
  }
}
