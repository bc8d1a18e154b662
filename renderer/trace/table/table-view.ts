/**
 * The rows on the screen: a pool of DOM rows, drawn synchronously from the last
 * frame. A row element keeps its request while the view scrolls, so that only
 * new rows are written.
 */
import { operationWord, resultNames } from '../../../app/contract/trace';
import { VirtualScroller, wheelRows } from '../../widgets/virtual-scroller';
import { columns } from '../columns';
import { RowView } from '../row-view';
import type { TraceSession } from '../trace-session';

/** Pixels; table.css says the same. */
export const ROW_HEIGHT = 19;

interface PooledRow {
  readonly element: HTMLElement;
  readonly cells: readonly HTMLElement[];
  ordinal: number;
  sequence: number;
  isShown: boolean;
}

export class TableView {
  readonly #session: TraceSession;
  readonly #grid: HTMLElement;
  readonly #body: HTMLElement;
  readonly #scroller: VirtualScroller;
  readonly #observer: ResizeObserver;
  readonly #row = new RowView();
  #pool: PooledRow[] = [];
  #visible = 1;

  /** `grid` is the focusable element with the rows' context; `body` holds the rows. */
  constructor(session: TraceSession, grid: HTMLElement, body: HTMLElement, scroller: HTMLElement) {
    this.#session = session;
    this.#grid = grid;
    this.#body = body;
    this.#scroller = new VirtualScroller(body.id, (top) => session.scrollTo(top));
    scroller.append(this.#scroller.element);
    grid.style.setProperty('--columns', columns.map(({ width }) => width).join(' '));
    this.#observer = new ResizeObserver(() => this.#measure());
    this.#observer.observe(body);
    body.addEventListener('wheel', this.#wheel, { passive: false });
    this.#measure();
  }

  dispose(): void {
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

  draw(): void {
    const { frame, top, selectedSequence } = this.#session;
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
      const isSelected = pooled.sequence === selectedSequence;
      if (isSelected) active = pooled.element.id;
      pooled.element.ariaSelected = String(isSelected);
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
    columns.forEach((column, index) => {
      const cell = pooled.cells[index];
      if (cell) column.draw(cell, this.#row);
    });
  }

  /** The rows drawn so far are of another disk. */
  forget(): void {
    for (const pooled of this.#pool) pooled.sequence = -1;
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
    const cells = columns.map((column, index) => {
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
