import { describe, expect, it } from 'vitest';
import { entropyBars } from '../../../renderer/inspector/byte-facts';
import { readKept } from '../../../renderer/inspector/payload-source';
import { parentKey, StructureTree } from '../../../renderer/inspector/structure-rows';
import { differenceOf } from '../../../renderer/structures/difference';
import { repeatLength, statisticsOf } from '../../../renderer/structures/statistics';
import { listNodes, pathToByte, type Structure } from '../../../renderer/structures/structure';

const words = (text: string) => new TextEncoder().encode(text);

describe('the statistics of bytes', () => {
  it('know their entropy, in all and by sector', () => {
    expect(statisticsOf(new Uint8Array(1024)).entropy).toBe(0);
    const all = Uint8Array.from({ length: 1024 }, (_, index) => index & 0xff);
    expect(statisticsOf(all).entropy).toBeCloseTo(8);
    const half = new Uint8Array(1024);
    half.fill(7, 512);
    const { entropy, sectors } = statisticsOf(half);
    expect(entropy).toBeCloseTo(1);
    expect([...sectors]).toEqual([0, 0]);
  });

  it.each([
    ['all zero', new Uint8Array(512)],
    ['every byte is aa', new Uint8Array(512).fill(0xaa)],
    [
      'repeats 4 bytes: de ad be ef',
      Uint8Array.from({ length: 512 }, (_, index) => [0xde, 0xad, 0xbe, 0xef][index % 4]!),
    ],
    ['plain text', words('A line of text, and an umlaut: ä\n'.repeat(20))],
    ['50 % zero', Uint8Array.from({ length: 512 }, (_, index) => (index % 2) * ((index * 7) | 1))],
    ['', Uint8Array.from({ length: 512 }, (_, index) => (index * index) | 1)],
    ['', new Uint8Array(0)],
  ])('hint: %j', (hint, bytes) => {
    expect(statisticsOf(bytes).hint).toBe(hint);
  });

  it('call text text when a character is cut at either end', () => {
    const counted = Array.from({ length: 100 }, (_, index) => `ä${index}`).join('');
    const text = words(`${counted}ä`);
    expect(statisticsOf(text.subarray(1, -1)).hint).toBe('plain text');
    // The end of a text file's last block.
    const padded = new Uint8Array(512);
    padded.set(words('The end of a file.\n'));
    expect(statisticsOf(padded).hint).toBe('plain text');
  });

  it('find the shortest pattern that repeats, also if it is cut at the end', () => {
    expect(repeatLength(Uint8Array.of(1, 2, 3, 1, 2, 3, 1))).toBe(3);
    expect(repeatLength(Uint8Array.of(1, 2, 3, 1, 2, 4))).toBe(0);
    expect(repeatLength(Uint8Array.of(1))).toBe(0);
  });

  it('are drawn as bars of one sector, or of several where they are many', () => {
    const bars = entropyBars(Float32Array.of(1, 5), 1000);
    expect(bars).toEqual([
      { start: 0, end: 512, entropy: 1 },
      { start: 512, end: 1000, entropy: 5 },
    ]);
    const many = entropyBars(
      Float32Array.from({ length: 300 }, (_, index) => index % 3),
      153_600,
    );
    expect(many).toHaveLength(100);
    expect(many[99]).toEqual({ start: 152_064, end: 153_600, entropy: 2 });
  });
});

describe('the difference of two writes', () => {
  it('counts the bytes that differ, and joins places that are near', () => {
    const older = new Uint8Array(64);
    const newer = older.slice();
    for (const place of [3, 5, 40]) newer[place] = 1;
    const difference = differenceOf(newer, 512, older, 512);
    expect(difference.changed).toBe(3);
    expect(difference.ranges).toEqual([
      { start: 3, end: 6 },
      { start: 40, end: 41 },
    ]);
    expect([...difference.mask.keys()].filter((index) => difference.mask[index])).toEqual([
      3, 5, 40,
    ]);
  });

  it('compares only what lies in both', () => {
    const older = new Uint8Array(512).fill(1);
    const newer = new Uint8Array(1024);
    const { common, changed } = differenceOf(newer, 4096, older, 4096 + 256);
    expect(common).toEqual({ start: 256, end: 768 });
    expect(changed).toBe(512);
    expect(differenceOf(newer, 0, older, 8192)).toMatchObject({ changed: 0, ranges: [] });
  });

  it('reads of the earlier write what was kept, and no more', async () => {
    const kept = Uint8Array.from({ length: 100 }, (_, index) => index);
    const read = (offset: number) =>
      Promise.resolve({
        ok: true as const,
        value: { bytes: kept.subarray(offset, offset + 30), total: 100 },
      });
    expect(await readKept(read, 10, 95)).toEqual(kept.subarray(10, 95));
    expect(await readKept(read, 90, 200)).toEqual(kept.subarray(90));
    expect(await readKept(() => Promise.resolve({ ok: true, value: null }), 0, 10)).toBeNull();
  });
});

describe('a tree of fields', () => {
  const leaf = (name: string, offset: number, length: number) => ({
    name,
    offset,
    length,
    value: '',
    meaning: '',
  });
  const structure: Structure = {
    ...leaf('root', 0, 8),
    confidence: 'magic',
    evidence: '',
    children: () => [
      leaf('a', 0, 4),
      { ...leaf('b', 4, 4), children: () => [leaf('c', 4, 1), leaf('d', 6, 2)] },
    ],
  };

  it('has rows for what is open, with their place among their siblings', () => {
    const tree = new StructureTree([structure]);
    expect(tree.rows(new Set()).map(({ key }) => key)).toEqual(['0']);
    const rows = tree.rows(new Set(['0', '0/1']));
    expect(rows.map(({ key }) => key)).toEqual(['0', '0/0', '0/1', '0/1/0', '0/1/1']);
    expect(rows[4]).toMatchObject({ level: 3, position: 2, siblings: 2, hasChildren: false });
    expect(parentKey('0/1/1')).toBe('0/1');
    expect(parentKey('0')).toBeNull();
  });

  it('knows which field a byte belongs to', () => {
    expect(pathToByte([structure], 7).map(({ name }) => name)).toEqual(['root', 'b', 'd']);
    expect(pathToByte([structure], 5).map(({ name }) => name)).toEqual(['root', 'b']);
    expect(pathToByte([structure], 8)).toEqual([]);
    expect(new StructureTree([structure]).keysAt(7)).toEqual(['0', '0/1', '0/1/1']);
  });

  it('parts a long list into pages, so that opening a node is bounded work', () => {
    const span = (first: number, end: number) => ({ offset: first, length: end - first });
    const nodes = listNodes(
      20_000,
      (index) => leaf(`${index}`, index, 1),
      span,
      (first, last) => `${first} to ${last}`,
    );
    expect(nodes.map(({ name }) => name)).toEqual(['0 to 16383', '16384 to 19999']);
    expect(nodes[0]!.children!()).toHaveLength(128);
    expect(pathToByte(nodes, 19_999).at(-1)?.name).toBe('19999');
  });
});
