/** Filters and orders that are made in slices, while rows come and go. */
import { describe, expect, it } from 'vitest';
import { decodeRecord } from '../../app/contract/trace';
import { diskId } from '../../app/contract/units';
import type { Filter } from '../../app/filter/filter';
import { parseFilter } from '../../app/filter/parse';
import { CHUNK_ROWS, CHUNK_WORDS } from '../../app/filter/trace-columns';
import type { Frame, Sorting, View } from '../../renderer/trace/worker/protocol';
import { Rows } from '../../renderer/trace/worker/rows';
import { sortRows, type SortedRows, type Unsorted } from '../../renderer/trace/worker/sorted-rows';
import { TraceStore } from '../../renderer/trace/worker/trace-store';
import { batchOf, type MadeRecord } from './records';

const disk = diskId('disk-1');
const byLatency: Sorting = { by: 'latency', descending: false };

/** A latency that is another one for each of many sequences, and far from their order. */
const latencyOf = (sequence: number): number => Math.imul(sequence, 0x9e3779b1) >>> 0;

const made = (sequence: number): MadeRecord => ({
  sequence,
  arrival: 1000n,
  completion: 1000n + BigInt(latencyOf(sequence)),
  operation: sequence % 2,
});

const span = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);

const inOrder = (sequences: readonly number[]): number[] =>
  sequences.toSorted((left, right) => latencyOf(left) - latencyOf(right));

function filterOf(text: string): Filter | null {
  const parsed = parseFilter(text);
  if (!parsed.ok) throw new Error(parsed.problem.message);
  return parsed.filter;
}

describe('a sort in pieces', () => {
  const addTo = (rows: Rows, sequences: readonly number[]): void => {
    rows.add(new Uint32Array(batchOf(sequences.map(made))), sequences.length);
  };
  const sequencesOf = (list: SortedRows): number[] =>
    span(0, list.end).map((ordinal) => list.sequence(ordinal));
  /** Calls `between` after each piece. */
  const sorted = (
    rows: Rows,
    sorting = byLatency,
    between?: (share: number) => void,
    part: Partial<Unsorted> = {},
  ): SortedRows => {
    const whole = { bits: null, from: rows.first, to: rows.end, passing: rows.count };
    const unsorted = { rows, ...whole, ...part };
    const steps = sortRows(unsorted, sorting);
    for (;;) {
      const step = steps.next();
      if (step.done) return step.value;
      between?.(step.value);
    }
  };

  it('says how far it is, and is that of a plain sort', () => {
    const rows = new Rows(3 * CHUNK_ROWS);
    const sequences = span(10, 10 + 2 * CHUNK_ROWS + 77);
    addTo(rows, sequences);
    const shares: number[] = [];
    const list = sorted(rows, byLatency, (share) => shares.push(share));
    expect(sequencesOf(list)).toEqual(inOrder(sequences));
    expect(shares.length).toBeGreaterThan(8);
    expect(shares).toEqual(shares.toSorted((left, right) => left - right));
    expect(shares.every((share) => share >= 0 && share < 1)).toBe(true);
    expect(sequencesOf(sorted(rows, { by: 'latency', descending: true }))).toEqual(
      inOrder(sequences).toReversed(),
    );
    // All of one length: as they arrived.
    expect(sequencesOf(sorted(rows, { by: 'length', descending: true }))).toEqual(sequences);
  });

  it('takes sequences that are further apart than 32 bits tell', () => {
    const rows = new Rows(64);
    const sequences = [5, 6e9, 7e9, 2 ** 45];
    addTo(rows, sequences);
    expect(sequencesOf(sorted(rows))).toEqual(inOrder(sequences));
  });

  it('ends with numbers that no number lies between', () => {
    for (const sequences of [[2 ** 53], [1, 2 ** 53], [7, 2 ** 53, 2 ** 60], [2 ** 63, 2 ** 63]]) {
      const rows = new Rows(64);
      addTo(rows, sequences);
      expect(sequencesOf(sorted(rows)).length).toBe(sequences.length);
    }
  });

  it('holds no more than the rows that pass, also where it expected more', () => {
    const rows = new Rows(4 * CHUNK_ROWS);
    addTo(rows, span(0, 3 * CHUNK_ROWS));
    const bits = new Uint32Array(CHUNK_WORDS);
    bits[0] = 0b101;
    const passed = [0, 1, 2].flatMap((chunk) => [chunk * CHUNK_ROWS, chunk * CHUNK_ROWS + 2]);
    for (const passing of [6, 2 * CHUNK_ROWS, 0]) {
      const list = sorted(rows, byLatency, undefined, { bits: () => bits, passing });
      expect(sequencesOf(list)).toEqual(inOrder(passed));
      expect(list.bytes).toBe(4 * passed.length);
      // All of one length: not a digit is moved.
      const plain = sorted(rows, { by: 'length', descending: false }, undefined, {
        bits: () => bits,
        passing,
      });
      expect(sequencesOf(plain)).toEqual(passed);
      expect(plain.bytes).toBe(4 * passed.length);
    }
  });

  it('makes room for more than were expected to pass', () => {
    const rows = new Rows(4 * CHUNK_ROWS);
    const sequences = span(0, 3 * CHUNK_ROWS);
    addTo(rows, sequences);
    const list = sorted(rows, byLatency, undefined, { passing: 5 });
    expect(sequencesOf(list)).toEqual(inOrder(sequences));
  });

  it('keeps in step while rows leave, come, and come late', () => {
    const rows = new Rows(3 * CHUNK_ROWS);
    // Every other sequence: the late ones go in between.
    const sequences = span(0, 2 * CHUNK_ROWS + 500).map((index) => 10 + 2 * index);
    addTo(rows, sequences);
    const newest = sequences.at(-1)!;
    let piece = 0;
    const list = sorted(rows, byLatency, () => {
      piece++;
      if (piece === 1) rows.leave(CHUNK_ROWS + 100);
      // One that has its place behind what is collected, one before, and one after all.
      if (piece === 2) addTo(rows, [newest - 1]);
      if (piece === 4) addTo(rows, [newest - 3, newest + 2]);
    });
    expect(piece).toBeGreaterThan(4);
    const found = sequencesOf(list);
    expect(found).toEqual(inOrder(found));
    const kept = sequences.slice(CHUNK_ROWS + 100);
    const here = new Set(found);
    expect(here.size).toBe(found.length);
    expect(kept.filter((sequence) => !here.has(sequence))).toEqual([]);
    const known = new Set([...sequences, newest - 1]);
    expect(found.filter((sequence) => !known.has(sequence))).toEqual([]);
    const left = found.indexOf(sequences[7]!);
    expect(left).toBeGreaterThanOrEqual(0);
    expect(list.rows(left, 1)).toEqual([-1]);
    const there = found.indexOf(newest);
    const [row] = list.rows(there, 1);
    expect(rows.number(row!, 'sequence')).toBe(newest);
    expect(list.ordinal(row!)).toBe(there);
  });
});

describe('a list that takes long to make', () => {
  const ROWS = 10 * CHUNK_ROWS;

  function open(): TraceStore {
    const store = new TraceStore(ROWS);
    store.receive({ type: 'opened', disk, number: 7, epochMonotonicNs: 0n, epochRealtimeNs: 9n });
    return store;
  }

  /** Records with the sequences [from, to), all of the same chunk of 32,768. */
  function add(store: TraceStore, from: number, to: number): void {
    const records = batchOf(span(from, to).map(made));
    store.receive({ type: 'batch', disk, records, count: to - from, lost: 0n });
  }

  const view = (more: Partial<View> = {}): View => ({
    ...{ serial: 1, disk, filter: null, sorting: null, shownSorting: null },
    ...{ clearedThrough: 0, pausedAt: null, follow: false, from: 0, rows: 5 },
    ...{ anchor: null, select: null, ...more },
  });
  const sequences = (frame: Frame): number[] => {
    const data = new DataView(frame.records);
    return span(0, frame.count).map((index) => Number(decodeRecord(data, index * 64).sequence));
  };
  const making = (store: TraceStore) => store.trace(disk)?.making;
  /** Works in the smallest slices until all is made; how many it took. */
  const finish = (store: TraceStore, of: View): number => {
    let slices = 0;
    for (; making(store) !== null; slices++) store.work(of, 0);
    return slices;
  };

  const full = open();
  for (let from = 0; from < 9 * CHUNK_ROWS; from += CHUNK_ROWS) add(full, from, from + CHUNK_ROWS);
  const all = inOrder(span(0, 9 * CHUNK_ROWS));

  it('shows the rows as they were until they are sorted, and then from the first', () => {
    const sorting = byLatency;
    const wanted = view({ sorting, from: 1000 });
    const before = full.frame(wanted);
    expect(sequences(before)).toEqual(span(1000, 1005));
    expect(before.sorting).toBeNull();
    expect(before.sortProgress).toBe(0);
    expect(making(full)).toBe('order');
    for (let slice = 0; slice < 12; slice++) full.work(wanted, 0);
    const half = full.frame(wanted);
    expect(half.sorting).toBeNull();
    expect(half.sortProgress).toBeGreaterThan(0.1);
    expect(half.sortProgress).toBeLessThan(0.9);
    expect(finish(full, wanted)).toBeGreaterThan(5);
    const after = full.frame(wanted);
    expect(after.sorting).toEqual(sorting);
    expect(after.sortProgress).toBeNull();
    expect(after.from).toBe(0);
    expect(sequences(after)).toEqual(all.slice(0, 5));
    // The page has it now, and its ordinals are of this order.
    const later = full.frame(view({ sorting, shownSorting: sorting, from: 77 }));
    expect(sequences(later)).toEqual(all.slice(77, 82));
  });

  it('begins another order at once, and gives it up when it is not wanted any more', () => {
    const descending = view({ sorting: { by: 'latency', descending: true } });
    full.frame(view());
    full.frame(view({ sorting: byLatency }));
    full.work(view({ sorting: byLatency }), 0);
    full.frame(descending);
    finish(full, descending);
    expect(sequences(full.frame(descending))).toEqual(all.toReversed().slice(0, 5));
    const other = view({ sorting: byLatency });
    full.frame(other);
    expect(making(full)).toBe('order');
    // Back to the one there is: nothing to make.
    full.frame(descending);
    expect(making(full)).toBeNull();
    full.frame(other);
    full.frame(view({ from: 3 }));
    expect(making(full)).toBeNull();
    expect(sequences(full.frame(view({ from: 3 })))).toEqual(span(3, 8));
  });

  it('shows what passed the filter before, until all rows are tested', () => {
    const odd = view({ filter: filterOf('write'), from: 100 });
    const before = full.frame(odd);
    expect(making(full)).toBe('filter');
    expect(before.matched).toBe(9 * CHUNK_ROWS);
    expect(sequences(before)).toEqual(span(100, 105));
    // Records come and leave while it is made.
    add(full, 9 * CHUNK_ROWS, 10 * CHUNK_ROWS);
    add(full, 10 * CHUNK_ROWS, 11 * CHUNK_ROWS);
    expect(finish(full, odd)).toBeGreaterThan(5);
    const after = full.frame(odd);
    expect(after.matched).toBe(ROWS / 2);
    const [first] = sequences(after);
    expect(sequences(after)).toEqual(span(0, 5).map((index) => first! + 2 * index));
    expect(first! % 2).toBe(1);
    // A filter and an order at once.
    const both = view({ filter: filterOf('read'), sorting: byLatency });
    full.frame(both);
    finish(full, both);
    const reads = inOrder(span(CHUNK_ROWS, 11 * CHUNK_ROWS).filter((one) => one % 2 === 0));
    expect(sequences(full.frame(both))).toEqual(reads.slice(0, 5));
  });

  it('sorts the rows that are marked when a mark is set meanwhile', () => {
    const store = open();
    for (let from = 0; from < 3 * CHUNK_ROWS; from += CHUNK_ROWS)
      add(store, from, from + CHUNK_ROWS);
    const trace = store.trace(disk)!;
    const of = view({ filter: filterOf('marked'), sorting: byLatency, rows: 9 });
    trace.setMarks([5, 70_000]);
    store.frame(of, 0);
    expect(making(store)).toBe('order');
    store.work(of, 0);
    trace.setMarks([5, 40_000, 70_000, 3 * CHUNK_ROWS + 1]);
    store.frame(of, 0);
    // A chunk that the former bits know nothing of.
    add(store, 3 * CHUNK_ROWS, 4 * CHUNK_ROWS);
    finish(store, of);
    const marked = inOrder([5, 40_000, 70_000, 3 * CHUNK_ROWS + 1]);
    const seen = sequences(store.frame(of, 0));
    expect(seen.length).toBeGreaterThan(2);
    expect(seen).toEqual(marked.filter((one) => seen.includes(one)));
    const due = trace.sortDue ?? 0;
    store.frame(of, due);
    finish(store, of);
    expect(sequences(store.frame(of, due))).toEqual(marked);
  });

  it('shows marks as they are after one was set while another filter is made', () => {
    const store = open();
    for (let from = 0; from < 9 * CHUNK_ROWS; from += CHUNK_ROWS)
      add(store, from, from + CHUNK_ROWS);
    const trace = store.trace(disk)!;
    const marked = view({ filter: filterOf('marked') });
    trace.setMarks([5]);
    store.frame(marked);
    finish(store, marked);
    store.frame(view({ filter: filterOf('write') }));
    expect(making(store)).toBe('filter');
    trace.setMarks([5, 6]);
    store.frame(marked);
    finish(store, marked);
    expect(sequences(store.frame(marked))).toEqual([5, 6]);
  });

  it('says which rows have left since they were sorted, until it is made anew', () => {
    const store = open();
    const sorting = byLatency;
    const of = view({ sorting, rows: 4 });
    store.keep(6);
    add(store, 1, 5);
    const order = inOrder([1, 2, 3, 4]);
    expect(sequences(store.frame(of, 0))).toEqual(order);
    add(store, 5, 9);
    const frame = store.frame(of, 1);
    expect(sequences(frame)).toEqual(order);
    expect(frame.gone.map((index) => order[index]).sort()).toEqual([1, 2]);
    expect(frame.matched).toBe(4);
    const anew = store.frame(of, store.trace(disk)!.sortDue!);
    expect(sequences(anew)).toEqual(inOrder([3, 4, 5, 6, 7, 8]).slice(0, 4));
    expect(anew.gone).toEqual([]);
  });
});
