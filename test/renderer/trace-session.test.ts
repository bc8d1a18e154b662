import { beforeEach, describe, expect, it } from 'vitest';
import { createStore } from 'zustand/vanilla';
import { diskId } from '../../app/contract/units';
import { RowView } from '../../renderer/trace/row-view';
import { TraceSession } from '../../renderer/trace/trace-session';
import { initialTraceView, type TraceViewState } from '../../renderer/trace/view-state';
import type { View } from '../../renderer/trace/worker/protocol';
import { TraceStore } from '../../renderer/trace/worker/trace-store';
import { batchOf } from './records';

const one = diskId('one');
const two = diskId('two');

/** A session with a store in process: `settle` is what the worker and the next animation frames do. */
class Bench {
  readonly store: TraceStore;
  readonly state = createStore<TraceViewState>(() => initialTraceView);
  readonly session: TraceSession;
  #view: View | null = null;
  #asked: View | null = null;
  frames = 0;

  constructor(capacity = 1024) {
    this.store = new TraceStore(capacity);
    this.session = new TraceSession((request) => {
      if (request.type === 'view') this.#view = this.#asked = request.view;
    }, this.state);
    for (const [number, disk] of [one, two].entries()) {
      const epochs = { epochMonotonicNs: 0n, epochRealtimeNs: 0n };
      this.store.receive({ type: 'opened', disk, number, ...epochs });
    }
    this.session.setVisibleRows(10);
    this.session.selectDisk(one);
    this.settle();
  }

  /** Rows come, and a frame with them that is not drawn. */
  arrive(from: number, to: number, disk = one): void {
    const made = [];
    for (let sequence = from; sequence <= to; sequence++) {
      made.push({ sequence, operation: sequence % 2 });
    }
    const records = batchOf(made);
    this.store.receive({ type: 'batch', disk, records, count: made.length, lost: 0n });
    if (this.#view && !this.#asked) this.session.receive(this.store.frame(this.#view));
  }

  /** The view that waits for its frame, and the last one. */
  get asked(): View | null {
    return this.#asked;
  }

  get view(): View | null {
    return this.#view;
  }

  add(from: number, to: number, disk = one): void {
    this.arrive(from, to, disk);
    this.session.drawn();
    this.settle();
  }

  settle(): void {
    while (this.#asked) {
      const view = this.#asked;
      this.#asked = null;
      this.session.receive(this.store.frame(view));
      this.frames++;
      if (this.frames > 10_000) throw new Error('views without end');
      this.session.drawn();
    }
  }

  /** Sequences of the rows that can be seen in whole. */
  get seen(): number[] {
    const { frame, top } = this.session;
    if (!frame) return [];
    const row = new RowView();
    row.open(frame);
    const last = Math.min(frame.end, Math.floor(top + 10));
    const rows: number[] = [];
    for (let ordinal = Math.ceil(top); ordinal < last; ordinal++) {
      expect(ordinal).toBeGreaterThanOrEqual(frame.from);
      expect(ordinal).toBeLessThan(frame.from + frame.count);
      rows.push(row.at(ordinal - frame.from).sequence);
    }
    return rows;
  }
}

const span = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});

describe('following', () => {
  it('shows the newest rows until one scrolls up', () => {
    bench.add(1, 50);
    expect(bench.seen).toEqual(span(41, 50));
    bench.session.scrollBy(-5);
    bench.settle();
    bench.add(51, 90);
    expect(bench.state.getState().following).toBe(false);
    expect(bench.seen).toEqual(span(36, 45));
  });

  it('stops when a row is selected', () => {
    bench.add(1, 50);
    bench.session.selectAt(44);
    bench.settle();
    bench.add(51, 90);
    expect(bench.seen).toEqual(span(41, 50));
    expect(bench.state.getState().selected?.record.sequence).toBe(45n);
  });

  it('stops at the rows on the screen, not at newer ones that are not drawn yet', () => {
    const stops = {
      select: [(session: TraceSession) => session.selectAt(44), span(41, 50)],
      scroll: [(session: TraceSession) => session.scrollBy(-2), span(39, 48)],
      move: [(session: TraceSession) => session.move('up'), span(41, 50)],
    } as const;
    for (const [stop, seen] of Object.values(stops)) {
      bench = new Bench();
      bench.add(1, 50);
      bench.arrive(51, 500);
      stop(bench.session);
      bench.session.drawn();
      bench.settle();
      expect(bench.seen).toEqual(seen);
    }
  });

  it('begins again at the end, or when asked', () => {
    bench.add(1, 50);
    bench.session.scrollBy(-5);
    bench.session.scrollBy(99);
    bench.settle();
    expect(bench.state.getState().following).toBe(true);
    bench.session.scrollBy(-5);
    bench.settle();
    bench.session.follow();
    bench.add(51, 60);
    expect(bench.seen).toEqual(span(51, 60));
  });
});

describe('a view that does not follow', () => {
  it('stays on its rows when the ring turns over', () => {
    bench = new Bench(64);
    bench.add(1, 64);
    bench.session.scrollTo(40);
    bench.settle();
    bench.add(65, 90);
    expect(bench.seen).toEqual(span(41, 50));
  });

  it('shows the oldest rows when its own have left', () => {
    bench = new Bench(64);
    bench.add(1, 64);
    bench.session.scrollTo(0);
    bench.settle();
    bench.add(65, 90);
    expect(bench.seen).toEqual(span(27, 36));
  });

  it('stays on its rows when late ones come before them', () => {
    bench.add(10, 60);
    bench.session.scrollTo(20);
    bench.settle();
    expect(bench.seen).toEqual(span(30, 39));
    bench.add(5, 7);
    expect(bench.seen).toEqual(span(30, 39));
    bench.add(61, 70);
    expect(bench.seen).toEqual(span(30, 39));
  });

  it('stays near its rows when the filter changes', () => {
    bench.add(1, 100);
    bench.session.scrollTo(50);
    bench.settle();
    bench.session.setFamilies(['write']);
    bench.settle();
    expect(bench.seen[0]).toBe(51);
    bench.session.setFamilies([]);
    bench.settle();
    expect(bench.seen).toEqual(span(51, 60));
  });

  it('has its place again when one returns to the disk', () => {
    bench.add(1, 100);
    bench.add(1, 30, two);
    bench.session.scrollTo(50);
    bench.session.selectAt(52);
    bench.settle();
    bench.session.selectDisk(two);
    bench.settle();
    expect(bench.seen).toEqual(span(21, 30));
    expect(bench.state.getState().selected).toBeNull();
    bench.session.selectDisk(one);
    bench.settle();
    expect(bench.seen).toEqual(span(51, 60));
    expect(bench.state.getState().selected?.record.sequence).toBe(53n);
  });
});

describe('a view that sorts', () => {
  it('leaves the rows where they are until they are sorted, then shows the first', () => {
    bench.add(1, 100);
    bench.session.scrollTo(50);
    bench.settle();
    bench.session.sort({ by: 'latency', descending: true });
    bench.session.drawn();
    // As the worker answers while it sorts.
    const asked = bench.asked!;
    expect(asked).toMatchObject({ follow: false, from: 39, shownSorting: null });
    bench.session.receive({
      ...bench.store.frame({ ...asked, sorting: null }),
      sortProgress: 0.4,
    });
    expect(bench.seen).toEqual(span(51, 60));
    bench.settle();
    // All have the same latency.
    expect(bench.seen).toEqual(span(1, 10));
    bench.session.scrollBy(20);
    bench.settle();
    expect(bench.seen).toEqual(span(21, 30));
    bench.session.sort(null);
    bench.settle();
    expect(bench.seen).toEqual(span(91, 100));
  });

  it('walks past rows that have left since', () => {
    bench = new Bench(8);
    bench.add(1, 8);
    bench.session.sort({ by: 'latency', descending: false });
    bench.settle();
    bench.add(9, 12);
    expect(bench.session.frame?.gone).toEqual([0, 1, 2, 3]);
    bench.session.move('home');
    bench.settle();
    expect(bench.state.getState().selected?.record.sequence).toBe(5n);
    bench.session.move('up');
    bench.settle();
    expect(bench.state.getState().selected?.record.sequence).toBe(5n);
  });

  it('does not select a row that has left since, nor give up the one it had', () => {
    bench = new Bench(8);
    bench.add(1, 8);
    bench.session.sort({ by: 'latency', descending: false });
    bench.settle();
    bench.add(9, 12);
    expect(bench.session.selectAt(5)).toBe(true);
    bench.settle();
    expect(bench.session.selectAt(2)).toBe(false);
    bench.settle();
    expect(bench.session.selectedSequence).toBe(6);
    expect(bench.state.getState().selected?.record.sequence).toBe(6n);
  });

  it('takes no frame that was made before the view that is on its way', () => {
    bench.add(1, 100);
    const old = { ...bench.store.frame(bench.view!), shift: 7 };
    bench.session.scrollTo(20);
    bench.session.receive(old);
    expect(bench.session.frame).not.toBe(old);
    expect(bench.session.top).toBe(20);
    bench.session.drawn();
    bench.settle();
    expect(bench.seen).toEqual(span(21, 30));
  });
});

describe('the keyboard', () => {
  const selected = () => bench.state.getState().selected?.record.sequence;
  const move = (...movements: Parameters<TraceSession['move']>[0][]) => {
    for (const movement of movements) {
      bench.session.move(movement);
      bench.settle();
    }
  };

  it('selects the last visible row first, then its neighbours', () => {
    bench.add(1, 50);
    move('up');
    expect(selected()).toBe(50n);
    move('up', 'up');
    expect(selected()).toBe(48n);
    move('down');
    expect(selected()).toBe(49n);
  });

  it('goes to the ends and by pages, and the view goes along', () => {
    bench.add(1, 500);
    move('home');
    expect(selected()).toBe(1n);
    expect(bench.seen).toEqual(span(1, 10));
    move('page-down', 'page-down');
    expect(selected()).toBe(19n);
    expect(bench.seen).toContain(19);
    move('end');
    expect(selected()).toBe(500n);
    move('down');
    expect(selected()).toBe(500n);
    expect(bench.seen).toEqual(span(491, 500));
  });

  it('moves one row a stroke even when frames come late', () => {
    bench.add(1, 500);
    bench.session.move('home');
    for (let stroke = 0; stroke < 200; stroke++) bench.session.move('down');
    bench.settle();
    expect(selected()).toBe(201n);
    expect(bench.seen).toContain(201);
  });

  it('starts from the selected row also after it scrolled out of sight', () => {
    bench.add(1, 500);
    move('home', 'down');
    bench.session.scrollTo(300);
    bench.settle();
    move('down');
    expect(selected()).toBe(3n);
    expect(bench.seen).toContain(3);
  });
});

describe('pause, clear and the selection', () => {
  it('keeps the selected row in sight when the window becomes smaller', () => {
    bench.add(1, 50);
    bench.session.selectAt(49);
    bench.settle();
    bench.session.setVisibleRows(4);
    bench.settle();
    expect(bench.session.top).toBe(46);
  });

  it('holds back what arrives, and shows it afterwards', () => {
    bench.add(1, 50);
    bench.session.pause(true);
    bench.settle();
    bench.add(51, 70);
    expect(bench.seen).toEqual(span(41, 50));
    expect(bench.session.frame?.heldBack).toBe(20);
    bench.session.pause(false);
    bench.settle();
    expect(bench.seen).toEqual(span(61, 70));
  });

  it('clears the view, and shows all again', () => {
    bench.add(1, 50);
    bench.session.clear();
    bench.settle();
    expect(bench.seen).toEqual([]);
    bench.add(51, 55);
    expect(bench.seen).toEqual(span(51, 55));
    bench.session.showAll();
    bench.settle();
    expect(bench.seen).toEqual(span(46, 55));
  });

  it('keeps the request that is inspected when its row leaves', () => {
    bench = new Bench(64);
    bench.add(1, 20);
    bench.session.selectAt(10);
    bench.settle();
    expect(bench.state.getState().selectedIsListed).toBe(true);
    bench.add(21, 200);
    expect(bench.state.getState().selectedIsListed).toBe(false);
    expect(bench.state.getState().selected?.record.sequence).toBe(11n);
  });

  it('keeps the last good range while a wrong one is typed', () => {
    bench.session.setFilterText('5..9');
    bench.session.setFilterText('5..');
    bench.session.setFilterText('5..x');
    expect(bench.state.getState()).toMatchObject({
      filter: { field: 'sector', ranges: [{ low: 5, high: Infinity }] },
      filterProblem: { at: 3 },
    });
  });
});
