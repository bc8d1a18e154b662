/**
 * The rows on the screen: a pool of DOM rows, drawn synchronously from the last
 * frame. A row element keeps its request while the view scrolls, so that only
 * new rows are written.
 */
import { operationWord, resultNames } from '../../../app/contract/trace';
import { VirtualScroller, wheelRows } from '../../widgets/virtual-scroller';
import type { Column } from '../columns';
import { noteOf } from '../marks';
import { RowView } from '../row-view';
import type { TraceSession } from '../trace-session';
import { gridTracks, shownColumns, useColumnLayout } from './column-layout';

/** Pixels; table.css says the same. */
export const ROW_HEIGHT = 19;

interface PooledRow {
  readonly element: HTMLElement;
  readonly cells: readonly HTMLElement[];
  ordinal: number;
  sequence: number;
  isShown: boolean;
}

export interface Cell {
  /** Id of the column. */
  readonly column: string;
  readonly sequence: number;
}

export class TableView {
  readonly #session: TraceSession;
  readonly #grid: HTMLElement;
  readonly #body: HTMLElement;
  readonly #scroller: VirtualScroller;
  readonly #observer: ResizeObserver;
  readonly #row = new RowView();
  readonly #forgetLayout: () => void;
  #columns: readonly Column[] = [];
  #pool: PooledRow[] = [];
  #visible = 1;

  /** `grid` is the focusable element with the rows' context; `body` holds the rows. */
  constructor(session: TraceSession, grid: HTMLElement, body: HTMLElement, scroller: HTMLElement) {
    this.#session = session;
    this.#grid = grid;
    this.#body = body;
    this.#scroller = new VirtualScroller(body.id, (top) => session.scrollTo(top));
    scroller.append(this.#scroller.element);
    this.#forgetLayout = useColumnLayout.subscribe(() => this.#arrange());
    this.#observer = new ResizeObserver(() => this.#measure());
    this.#observer.observe(body);
    body.addEventListener('wheel', this.#wheel, { passive: false });
    this.#arrange();
  }

  dispose(): void {
    this.#forgetLayout();
    this.#observer.disconnect();
    this.#body.removeEventListener('wheel', this.#wheel);
    this.#body.replaceChildren();
    this.#scroller.element.remove();
  }

  /** The ordinal of the row that `target` lies in. */
  ordinalAt(target: EventTarget | null): number | null {
    const element = target instanceof Element ? target.closest('[role=row]') : null;
    return this.#pool.find((row) => row.element === element && row.isShown)?.ordinal ?? null;
  }

  /** Whether `target` lies in a row of a selected range. */
  isSelected(target: EventTarget | null): boolean {
    const element = target instanceof Element ? target.closest('[role=row]') : null;
    return this.#session.range !== null && element?.ariaSelected === 'true';
  }

  /** The cell that `target` lies in: its column's id and its request. */
  cellAt(target: EventTarget | null): Cell | null {
    const cell = target instanceof Element ? target.closest<HTMLElement>('[role=gridcell]') : null;
    const row = this.#pool.find(({ element, isShown }) => isShown && element.contains(cell));
    const column = cell?.dataset['column'];
    return row && column !== undefined ? { column, sequence: row.sequence } : null;
  }

  draw(): void {
    const { frame, top, selectedSequence, range } = this.#session;
    const first = frame?.first ?? 0;
    const end = frame?.end ?? 0;
    const start = Math.floor(top);
    const size = this.#pool.length;
    let active = '';
    if (frame) this.#row.open(frame);
    for (let ordinal = start; ordinal < start + size; ordinal++) {
      const pooled = this.#pool[((ordinal % size) + size) % size];
      if (!pooled) continue;
      const index = frame ? ordinal - frame.from : -1;
      const isThere = frame !== null && ordinal < end && index >= 0 && index < frame.count;
      if (pooled.isShown !== isThere) {
        pooled.isShown = isThere;
        pooled.element.hidden = !isThere;
        // What is not shown is no row to anybody who counts them.
        if (isThere) pooled.element.dataset['testid'] = 'trace-row';
        else delete pooled.element.dataset['testid'];
      }
      if (!isThere) continue;
      this.#place(pooled, ordinal, first, top);
      this.#row.at(index);
      this.#fill(pooled);
      const { sequence, element } = pooled;
      if (sequence === selectedSequence) active = element.id;
      const isInRange = range !== null && sequence >= range.first && sequence <= range.last;
      element.ariaSelected = String(isInRange || sequence === selectedSequence);
      element.classList.toggle('marked', noteOf(sequence) !== null);
      // Sorted, and its row has left the trace since.
      element.classList.toggle('gone', this.#row.isGone);
    }
    this.#grid.ariaRowCount = String(end - first + 1);
    if (this.#grid.getAttribute('aria-activedescendant') !== active) {
      if (active === '') this.#grid.removeAttribute('aria-activedescendant');
      else this.#grid.setAttribute('aria-activedescendant', active);
    }
    this.#scroller.update({ first, end, top, visible: this.#visible });
  }

  #place(pooled: PooledRow, ordinal: number, first: number, top: number): void {
    const offset = Math.round((ordinal - top) * ROW_HEIGHT);
    pooled.ordinal = ordinal;
    pooled.element.style.transform = `translateY(${offset}px)`;
    pooled.element.ariaRowIndex = String(ordinal - first + 2);
    pooled.element.classList.toggle('odd', ordinal % 2 === 1);
  }

  #fill(pooled: PooledRow): void {
    const { sequence } = this.#row;
    if (pooled.sequence === sequence) return;
    pooled.sequence = sequence;
    const { dataset } = pooled.element;
    dataset['sequence'] = String(sequence);
    dataset['operation'] = operationWord(this.#row.operation).name;
    dataset['result'] = resultNames[this.#row.result] ?? 'error';
    this.#columns.forEach((column, index) => {
      const cell = pooled.cells[index];
      if (cell) column.draw(cell, this.#row);
    });
  }

  /** The rows drawn so far are of another disk. */
  forget(): void {
    for (const pooled of this.#pool) pooled.sequence = -1;
  }

  /** The columns are others, or have other widths. */
  #arrange(): void {
    const layout = useColumnLayout.getState();
    const shown = shownColumns(layout);
    this.#grid.style.setProperty('--columns', gridTracks(layout));
    const isSame =
      shown.length === this.#columns.length &&
      shown.every((column, index) => column === this.#columns[index]);
    if (!isSame) {
      this.#columns = shown;
      for (const row of this.#pool.splice(0)) row.element.remove();
    }
    this.#measure();
  }

  #measure(): void {
    const height = this.#body.clientHeight;
    this.#visible = Math.max(1, height / ROW_HEIGHT);
    const size = Math.ceil(this.#visible) + 1;
    while (this.#pool.length < size) this.#pool.push(this.#make(this.#pool.length));
    for (const row of this.#pool.splice(size)) row.element.remove();
    this.#scroller.setHeight(height);
    this.#session.setVisibleRows(this.#visible);
    this.draw();
  }

  #make(slot: number): PooledRow {
    const element = document.createElement('div');
    element.className = 'trace-row';
    element.id = `trace-row-${slot}`;
    element.role = 'row';
    element.hidden = true;
    const cells = this.#columns.map((column, index) => {
      const cell = document.createElement('div');
      cell.role = 'gridcell';
      cell.ariaColIndex = String(index + 1);
      cell.dataset['column'] = column.id;
      cell.className = `trace-cell ${column.align}`;
      column.prepare?.(cell);
      return cell;
    });
    element.append(...cells);
    this.#body.append(element);
    return { element, cells, ordinal: -1, sequence: -1, isShown: false };
  }

  #wheel = (event: WheelEvent): void => {
    const rows = wheelRows(event, ROW_HEIGHT, this.#visible);
    if (rows === 0) return;
    event.preventDefault();
    this.#session.scrollBy(rows);
    this.draw();
  };
}
