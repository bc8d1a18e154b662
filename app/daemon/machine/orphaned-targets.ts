/**
 * Targets of this user that nobody serves and that no disk stands for: the state file of
 * their daemon was lost, or their helper died half-way. What is sent to them waits. They
 * are told by /sys and /proc alone, so that nobody is asked for a password.
 */
import type { MachineCheck } from '../../contract/machine';
import { ownTag } from '../../privileged/targets';
import { serversOf } from '../routes/dm-user-route';
import { mappedDevices } from '../system/block-devices';
import { systemRoots, type SystemRoots } from '../system/roots';

/** A check for each; none where there are none. `known`: tags of the targets of this daemon's disks. */
export async function orphanChecks(
  known: ReadonlySet<string>,
  roots: SystemRoots = systemRoots,
): Promise<readonly MachineCheck[]> {
  const checks: MachineCheck[] = [];
  for (const { name, uuid, size } of mappedDevices(roots)) {
    const tag = ownTag(name);
    if (tag === null || known.has(tag) || uuid !== name.replace('bioscope', 'BIOSCOPE')) continue;
    // Another daemon of this user, in another runtime directory.
    if ((await serversOf(tag, roots)).length > 0) continue;
    checks.push({
      id: `orphaned-target:${name}`,
      title: `The target ${name}`,
      finding: 'advice',
      detail:
        `/dev/mapper/${name} (${size} bytes) was made by Bioscope, and nobody serves it: what is sent to it waits. ` +
        `To go on with it, name its image: bioscope adopt ${name} IMAGE. ` +
        'These remove it, as soon as nobody uses it, and what waits fails:',
      remedy: [`sudo dmsetup message ${name} 0 abort`, `sudo dmsetup remove --deferred ${name}`],
      routes: ['dm-user'],
    });
  }
  return checks;
}
