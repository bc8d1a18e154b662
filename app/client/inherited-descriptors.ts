/**
 * Keeps a process that outlives its parent from living on with the parent's
 * open files. Node hands over every descriptor that is not close-on-exec, and
 * Electron has some seventy of those: its sockets (which keep helper processes
 * of a window that ended alive), caches and shared memory; a shell may have a
 * lock file, or one on the very disk that is to be unmounted.
 */
import { closeSync, openSync, readFileSync, readdirSync } from 'node:fs';

const O_CLOEXEC = 0o2000000;

/** Descriptors above 2 of this process that a program it starts would inherit. */
export function inheritableDescriptors(): number[] {
  return readdirSync('/proc/self/fdinfo')
    .map(Number)
    .filter((descriptor) => {
      if (descriptor <= 2) return false;
      try {
        const info = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8');
        const flags = parseInt(/^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? '', 8);
        return (flags & O_CLOEXEC) === 0;
      } catch {
        return false; // closed in between: the directory's own
      }
    });
}

/**
 * Calls `start` with the `stdio` of a child whose output goes to the descriptor
 * `output`, and in which /dev/null stands in the place of all that it would
 * inherit. (Node cannot close a descriptor in the child, but can replace it.)
 */
export function withoutInheritance<Child>(
  output: number,
  start: (stdio: ('ignore' | number)[]) => Child,
): Child {
  const nothing = openSync('/dev/null', 'r');
  try {
    const stdio: ('ignore' | number)[] = ['ignore', output, output];
    for (const descriptor of inheritableDescriptors()) {
      while (stdio.length < descriptor) stdio.push('ignore');
      stdio[descriptor] = nothing;
    }
    return start(stdio);
  } finally {
    closeSync(nothing);
  }
}
