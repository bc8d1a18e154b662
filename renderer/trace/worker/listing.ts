/**
 * The list that filter and order make of a disk's rows. One that takes long to
 * make is made a slice at a time, by `work`, so that records are taken meanwhile;
 * until it is ready the list before it stands.
 */
import type { CompiledFilter } from '../../../app/filter/evaluate';
import { hasPart, type Filter } from '../../../app/filter/filter';
import { PayloadAnswers } from '../../../app/filter/payload-answers';
import { printFilter } from '../../../app/filter/print';
import { CHUNK_ROWS } from '../../../app/filter/trace-columns';
import { MatchList } from './match-list';
import type { Sorting, View } from './protocol';
import { shownPart, type AllRows, type RowList } from './row-list';
import type { Rows } from './rows';
import { sortRows, type SortedRows } from './sorted-rows';

/** So few rows are tested, or sorted, at once: some milliseconds. */
const TESTED_AT_ONCE = 8 * CHUNK_ROWS;
const SORTED_AT_ONCE = 2 * CHUNK_ROWS;
/** A sorted list is not made anew more often, ms, or for a larger share of the time than this. */
const SORT_EVERY_MS = 500;
const SORT_SHARE = 0.2;

/** The rows that pass one filter. */
interface Filtered {
  readonly key: string;
  /** Null: there is no filter. */
  readonly matches: MatchList | null;
  readonly answers: PayloadAnswers;
  readonly looksIntoPayloads: boolean;
  /** On the clock of `performance`, as all times here but those that are called `now`. */
  readonly began: number;
}

interface Sorted {
  readonly key: string;
  readonly sorting: Sorting;
  readonly list: SortedRows;
  /** Of the rows when it was begun: whether they are others now. */
  readonly version: number;
  readonly madeAt: number;
  readonly tookMs: number;
}

/** A sorted list that is being made. */
interface SortJob {
  readonly key: string;
  readonly sorting: Sorting;
  readonly version: number;
  readonly began: number;
  readonly steps: ReturnType<typeof sortRows>;
  progress: number;
  tookMs: number;
}

/** `sorting`: the order of the list. It may not be the one that was asked for yet. */
export interface Listed {
  readonly list: RowList;
  readonly sorting: Sorting | null;
}

const noFilter = (): Filtered => ({
  key: printFilter(null),
  matches: null,
  answers: new PayloadAnswers(),
  looksIntoPayloads: false,
  began: 0,
});

export class Listing {
  readonly #all: AllRows;
  readonly #rows: Rows;
  readonly #compile: (filter: Filter, answers: PayloadAnswers) => CompiledFilter;
  #shown = noFilter();
  /** The one that is asked for, while it is not ready. */
  #next: Filtered | null = null;
  #sorted: Sorted | null = null;
  #job: SortJob | null = null;
  /** Counts the changes of rows and matches. */
  #version = 0;

  /** `compile`: `answers` knows the payloads that the filter asks for. */
  constructor(
    rows: Rows,
    all: AllRows,
    compile: (filter: Filter, answers: PayloadAnswers) => CompiledFilter,
  ) {
    this.#rows = rows;
    this.#all = all;
    this.#compile = compile;
  }

  /** What the filter that is shown asks of payloads; null when it asks nothing. */
  get answers(): PayloadAnswers | null {
    return this.#shown.looksIntoPayloads ? this.#shown.answers : null;
  }

  /** How much of the order that was asked for is done, 0 … 1; null when none is being made. */
  get sortProgress(): number | null {
    return this.#job?.progress ?? null;
  }

  /** When a sorted list can be made anew, on the clock of `list`; null while it holds all rows. */
  get sortDue(): number | null {
    const sorted = this.#sorted;
    if (sorted === null || this.#job !== null || sorted.version === this.#version) return null;
    return sorted.madeAt + Math.max(SORT_EVERY_MS, sorted.tookMs / SORT_SHARE);
  }

  /** After the rows changed from `changedFrom` on, or old rows left. */
  update(changedFrom: number): void {
    this.#version++;
    this.#shown.matches?.update(changedFrom);
    this.#next?.matches?.update(changedFrom);
  }

  /** Tests the chunk of `row` anew: what the filter that is shown knows of it has changed. */
  retest(row: number): void {
    this.#version++;
    this.#shown.matches?.retest(row);
  }

  /** Only a filter that asks for marks sees a difference. */
  marksChanged(): void {
    if (this.#next?.key.includes('marked')) this.#next = null;
    if (!this.#shown.key.includes('marked')) return;
    this.#shown = { ...this.#shown, key: '?' };
    this.#job = null;
  }

  /** The rows that pass `filter`, or until that is known those of the filter before; null for all. */
  matching(filter: Filter | null): MatchList | null {
    this.#wantFilter(filter);
    return this.#shown.matches;
  }

  /**
   * The rows of `view` in its order, or what there is until `work` has made that.
   * `now`: milliseconds of any clock, for how often a sorted list is made anew.
   */
  list(view: View, now: number): Listed {
    this.#want(view, now);
    if (this.#sorted) return { list: this.#sorted.list, sorting: this.#sorted.sorting };
    return { list: this.#shown.matches ?? this.#all, sorting: null };
  }

  /** What is still being made; null when the list is as it was asked for. */
  get making(): 'filter' | 'order' | null {
    if (this.#next) return 'filter';
    return this.#job ? 'order' : null;
  }

  /** Makes what `view` asks for, a piece at least, until `isOver` says so. */
  work(view: View, now: number, isOver: () => boolean): void {
    this.#want(view, now);
    if (this.#next) {
      this.#advanceFilter(this.#next, isOver);
      this.#want(view, now);
    } else if (this.#job) this.#advanceSort(this.#job, now, isOver);
  }

  #want(view: View, now: number): void {
    this.#wantFilter(view.filter);
    if (view.sorting === null) {
      this.#sorted = null;
      this.#job = null;
    } else if (this.#next === null) this.#wantSorted(view, view.sorting, now);
    else this.#job = null;
  }

  #wantFilter(filter: Filter | null): void {
    const key = printFilter(filter);
    if (key === (this.#next ?? this.#shown).key) return;
    this.#next = null;
    if (key === this.#shown.key) return;
    if (filter === null) {
      this.#show(noFilter());
      return;
    }
    const answers = new PayloadAnswers();
    this.#next = {
      key,
      matches: new MatchList(this.#rows, this.#compile(filter, answers)),
      answers,
      looksIntoPayloads: hasPart(filter, 'payload'),
      began: performance.now(),
    };
    if (this.#rows.count <= TESTED_AT_ONCE) this.#advanceFilter(this.#next, () => false);
  }

  #advanceFilter(filtered: Filtered, isOver: () => boolean): void {
    filtered.matches?.advance(isOver);
    if (filtered.matches?.isComplete === false) return;
    // For the developer tools and the benchmark.
    performance.measure('filter', { start: filtered.began });
    this.#show(filtered);
  }

  #show(filtered: Filtered): void {
    this.#shown = filtered;
    this.#next = null;
    // It looks at the bits of the filter before, which nobody keeps up to date.
    this.#job = null;
    this.#version++;
  }

  #wantSorted(view: View, sorting: Sorting, now: number): void {
    const { clearedThrough, pausedAt } = view;
    const { by, descending } = sorting;
    const key = [this.#shown.key, by, descending, clearedThrough, pausedAt].join(' ');
    if (this.#job?.key === key) return;
    this.#job = null;
    const due = this.sortDue;
    if (this.#sorted?.key === key && (due === null || now < due)) return;
    const { first: from, end: to } = shownPart(this.#all, view);
    const { matches } = this.#shown;
    const { first, end } = shownPart(matches ?? this.#all, view);
    const bits = matches && ((row: number) => matches.bits(row));
    this.#job = {
      key,
      sorting,
      version: this.#version,
      began: performance.now(),
      steps: sortRows({ rows: this.#rows, bits, from, to, passing: end - first }, sorting),
      progress: 0,
      tookMs: 0,
    };
    if (to - from <= SORTED_AT_ONCE) this.#advanceSort(this.#job, now, () => false);
  }

  #advanceSort(job: SortJob, now: number, isOver: () => boolean): void {
    const began = performance.now();
    let step = job.steps.next();
    while (step.done !== true && !isOver()) step = job.steps.next();
    job.tookMs += performance.now() - began;
    if (step.done !== true) {
      job.progress = step.value;
      return;
    }
    const { key, sorting, version, tookMs } = job;
    this.#sorted = { key, sorting, list: step.value, version, madeAt: now, tookMs };
    this.#job = null;
    performance.clearMeasures('sort');
    performance.measure('sort', { start: job.began });
  }
}
