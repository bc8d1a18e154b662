/** Changes real structures in the ways disks and attackers do, and holds what is said of them to the rules. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCorpus, type Sample } from '../renderer/structures/corpus';
import { execute } from '../renderer/structures/walk';

/** Milliseconds that no execution may take, on a slow machine; a hang takes for ever. */
const LONGEST_MS = 5000;
const REPORT_EVERY_MS = 10_000;
const interesting = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff, 0xf30a];

/** Numbers from 0 to 1, the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function mutated(samples: readonly Sample[], random: () => number): Sample {
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = (): Sample => {
    const sample = samples[below(samples.length)];
    if (!sample) throw new Error('the corpus is empty');
    return sample;
  };
  const sample = pick();
  let bytes = sample.bytes.slice();
  const view = new DataView(bytes.buffer);
  for (let count = 1 + below(16); count > 0; count--) {
    const at = below(bytes.length);
    switch (below(6)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
        break;
      case 1:
        bytes[at] = below(256);
        break;
      case 2:
        if (at + 4 <= bytes.length) {
          view.setUint32(at, interesting[below(interesting.length)] ?? 0, random() < 0.5);
        }
        break;
      case 3: {
        // A sector of another sample, or of this one, at a sector's place.
        const other = pick().bytes;
        const from = below(Math.max(1, other.length >> 9)) << 9;
        bytes.set(
          other.subarray(from, from + Math.min(512, bytes.length - (at & ~511))),
          at & ~511,
        );
        break;
      }
      case 4:
        bytes.fill(below(2) * 255, at, at + below(512));
        break;
      case 5:
        bytes.copyWithin(at, below(bytes.length), below(bytes.length));
        break;
    }
  }
  if (random() < 0.2) bytes = bytes.slice(0, below(bytes.length));
  const device = random() < 0.8 ? sample.device : below(1 << 20) * 512;
  return { name: sample.name, bytes, device, size: sample.size };
}

/** Runs for `seconds`; false if a rule was broken. */
export async function fuzz(options: {
  readonly seconds: number;
  readonly seed: number;
  readonly folder: string;
}): Promise<boolean> {
  const { seconds, seed, folder } = options;
  const samples = makeCorpus();
  const random = randomFrom(seed);
  const begin = performance.now();
  let executions = 0;
  let nodes = 0;
  let findings = 0;
  let slowest = { ms: 0, name: '' };
  let reported = begin;
  console.log(`seed ${seed}, ${samples.length} samples, ${seconds} s`);
  while (performance.now() - begin < seconds * 1000 && findings < 10) {
    const sample = mutated(samples, random);
    const started = performance.now();
    let problem: unknown = null;
    try {
      nodes += await execute(sample.bytes, sample.device, sample.size);
    } catch (thrown) {
      problem = thrown;
    }
    const ms = performance.now() - started;
    executions++;
    if (ms > slowest.ms) slowest = { ms, name: sample.name };
    if (ms > LONGEST_MS) problem ??= new Error(`it took ${Math.round(ms)} ms`);
    if (problem !== null) {
      const path = join(folder, `structures-${seed}-${executions}-${sample.device}.bin`);
      writeFileSync(path, sample.bytes);
      console.log(sample.name, problem);
      console.log(`  kept as ${path}`);
      findings++;
    }
    if (performance.now() - reported > REPORT_EVERY_MS) {
      reported = performance.now();
      console.log(`${executions} executions, ${nodes} nodes, ${findings} findings`);
    }
  }
  console.log(
    `${executions} executions, ${nodes} nodes opened, ${findings} findings; ` +
      `slowest ${slowest.ms.toFixed(0)} ms (${slowest.name})`,
  );
  return findings === 0;
}

/** One input again; its device offset is the last number in its name. */
export async function replay(path: string): Promise<void> {
  const device = Number(/-(\d+)\.bin$/.exec(path)?.[1] ?? 0);
  const opened = await execute(new Uint8Array(readFileSync(path)), device, 1 << 30);
  console.log(`${opened} nodes opened, no rule broken`);
}
