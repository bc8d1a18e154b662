/** Whether two names are of one file, so that nothing is written over what is being read. */
import { statSync } from 'node:fs';

export function isSameFile(left: string, right: string): boolean {
  try {
    const [one, other] = [statSync(left), statSync(right)];
    return one.dev === other.dev && one.ino === other.ino;
  } catch {
    // One that is not there, or that opening it will say more about.
    return false;
  }
}
