import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { shellWord } from '../../../app/contract/shell-word';

const names = [
  '/images/disk.img',
  'with blanks and $HOME',
  "it's",
  "it's\u001b]0;title\u0007 and \\n\n",
  '\u0085\u009b31m',
];

test('a shell reads every name as one word, the same', () => {
  const script = `printf '%s\\0' ${names.map(shellWord).join(' ')}`;
  const said = execFileSync('bash', ['-c', script], { env: { LC_ALL: 'C.UTF-8' } });
  expect(said.toString('utf8').split('\0').slice(0, -1)).toEqual(names);
});

test('no character of it does something to a terminal', () => {
  for (const name of names) expect(shellWord(name)).not.toMatch(/\p{Cc}/u);
  expect(shellWord('a\u001bb')).toBe(String.raw`$'a\u001bb'`);
  expect(shellWord('/images/disk.img')).toBe('/images/disk.img');
});
