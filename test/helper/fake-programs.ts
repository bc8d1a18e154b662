/**
 * The real helper but for where it looks for programs and control devices: dmsetup and
 * modprobe are a script, which notes how it was run and says what it was told to.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectDirectory } from '../support/project';

export class FakePrograms {
  readonly directory = mkdtempSync(join(tmpdir(), 'bioscope-targets-'));
  /** In the place of /dev/dm-user. */
  readonly control = join(this.directory, 'dm-user');
  /** The helper that was built for them. */
  readonly helper = join(this.directory, 'bioscope-helper');

  constructor() {
    const { directory } = this;
    const script = join(directory, 'program');
    writeFileSync(
      script,
      `#!/bin/sh
{ printf '%s\\037' "$@"; echo; } >> ${directory}/runs
env > ${directory}/environment
stem=${directory}/answer-$1
while [ -e $stem.wait ]; do sleep 0.05; done
[ ! -e $stem.then ] || . $stem.then
[ ! -e $stem.out ] || { cat $stem.out; cat $stem.err >&2; exit "$(cat $stem.status)"; }
`,
    );
    chmodSync(script, 0o755);
    writeFileSync(
      join(directory, 'paths.c'),
      `#include "internal.h"
const char *const program_paths[PROGRAM_COUNT][3] = {{"${script}"}, {"${script}"}};
const char control_directory[] = "${this.control}";
`,
    );
    execFileSync('make', [
      '-C',
      join(projectDirectory, 'native/helper/program'),
      `OUT=${directory}`,
      `PATHS=${directory}/paths.c`,
    ]);
    mkdirSync(this.control);
  }

  /** Every run since the last `forget`: its arguments. */
  runs(): string[][] {
    const path = join(this.directory, 'runs');
    if (!existsSync(path)) return [];
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    return lines.map((line) => line.split('\x1f').slice(0, -1));
  }

  /** What the next runs of `dmsetup VERB` answer; by default nothing, and status 0. */
  answer(verb: string, said: string, words = '', status = 0): void {
    const stem = join(this.directory, `answer-${verb}`);
    writeFileSync(`${stem}.out`, said);
    writeFileSync(`${stem}.err`, words);
    writeFileSync(`${stem}.status`, String(status));
  }

  /** From the next run of `dmsetup VERB` on, another verb answers this. */
  answerAfter(verb: string, other: string, said: string): void {
    const file = join(this.directory, `then-${verb}`);
    writeFileSync(file, said);
    const stem = join(this.directory, 'answer-');
    writeFileSync(`${stem}${verb}.then`, `cp ${file} ${stem}${other}.out\n`);
  }

  forget(): void {
    const { directory, control } = this;
    execFileSync('sh', ['-c', `rm -rf ${directory}/runs ${directory}/answer-* ${control}`]);
    mkdirSync(control);
  }

  end(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
