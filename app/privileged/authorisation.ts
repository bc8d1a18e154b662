/**
 * Why a helper that pkexec was to start did not answer, in words for the user.
 * pkexec ends with 126 when the question was dismissed, and with 127 for all
 * else; what it was then, only its words tell (in the C locale, in which it is
 * started).
 */
import { BioscopeError } from '../contract/errors';
import type { HelperEnd } from './helper-client';
import { installCommand } from './installation';

const DISMISSED = 126;

/** What to allow, in a sentence that begins with "to". */
export type Purpose = string;

export function authorisationError({ status, words }: HelperEnd, purpose: Purpose): BioscopeError {
  const [message, errno] = explain(status, words, purpose);
  return new BioscopeError('PRIVILEGE_MISSING', message, { errno });
}

function explain(
  status: number | null,
  words: string,
  purpose: Purpose,
): readonly [string, string] {
  if (/no authentication agent found|error registering authentication agent/i.test(words)) {
    return [
      `Nobody could be asked for the password ${purpose}: no polkit agent runs in this session. ` +
        `Log in to a desktop session, or answer in a second terminal: pkttyagent --process ${process.pid}`,
      'EPERM',
    ];
  }
  if (status === DISMISSED || /request dismissed/i.test(words)) {
    return [
      `The question for the password ${purpose} was dismissed. Try again and answer it.`,
      'ECANCELED',
    ];
  }
  if (/not authorized/i.test(words)) {
    return [
      `polkit did not allow this user ${purpose}: the password was wrong, or a rule of this machine forbids it. ` +
        'Ask an administrator of this machine, or run Bioscope as root.',
      'EACCES',
    ];
  }
  if (
    /could not connect|polkit\S* (was not provided|.*not activatable)|error getting authority/i.test(
      words,
    )
  ) {
    return [
      `polkit does not run, which decides about it ${purpose} (${lastLine(words)}). Start it: sudo systemctl start polkit`,
      'ENOTCONN',
    ];
  }
  if (status === null) {
    return [`The helper could not be started ${purpose} (${lastLine(words)}).`, 'ENOENT'];
  }
  if (status === 0) {
    return [
      `The installed helper is of another version than this Bioscope. Install it again: ${installCommand()}`,
      'EPROTO',
    ];
  }
  const said = words === '' ? `status ${status}` : lastLine(words);
  return [
    `The helper ended ${purpose} before it answered (${said}). Install it again: ${installCommand()}`,
    'EPIPE',
  ];
}

function lastLine(words: string): string {
  return (
    words
      .split('\n')
      .findLast((line) => line.trim() !== '')
      ?.trim() ?? 'no reason given'
  );
}
