/**
 * The visible rows once more, as elements that nobody sees: what a screen reader
 * reads, what says exact values on hover, and what tests find. Written when the
 * view rests, since a frame cannot wait for it; where the system forces its own
 * colours they are what is seen (table.css), and written with each frame.
 */
import { operationWord, resultNames } from '../../../app/contract/trace';
import type { Column } from '../columns';
import { noteOf } from '../marks';
import type { RowView } from '../row-view';
import { gapDetail, gapText, goneText } from './row-painter';

/** Nothing was drawn for so long: the view rests, ms. */
const REST_MS = 120;
/** A view that does not rest is written so often, ms. */
const LONGEST_MS = 500;

const forcedColours = window.matchMedia('(forced-colors: active)');

interface MirrorRow {
  readonly element: HTMLElement;
  readonly cells: readonly HTMLElement[];
  isShown: boolean;
}

/** One row as it is on the screen. */
export interface MirroredRow {
  readonly ordinal: number;
  /** Its place in the frame that `RowView` has open. */
  readonly index: number;
  /** Of its upper edge, pixels. */
  readonly top: number;
  readonly isSelected: boolean;
}

export interface Mirrored {
  /** Has the frame of the rows open; is moved. */
  readonly row: RowView;
  readonly rows: readonly MirroredRow[];
  /** Rows there are: [first, end). */
  readonly first: number;
  readonly end: number;
  readonly selectedSequence: number | null;
}

export class RowMirror {
  readonly #grid: HTMLElement;
  readonly #body: HTMLElement;
  readonly #read: () => Mirrored;
  #columns: readonly Column[] = [];
  #pool: MirrorRow[] = [];
  #timer: number | null = null;
  #drawnAt = -Infinity;
  #writtenAt = -Infinity;

  /** `grid` has the focus for all rows; `read` says what is on the screen now. */
  constructor(grid: HTMLElement, body: HTMLElement, read: () => Mirrored) {
    this.#grid = grid;
    this.#body = body;
    this.#read = read;
  }

  dispose(): void {
    if (this.#timer !== null) window.clearTimeout(this.#timer);
    for (const { element } of this.#pool.splice(0)) element.remove();
  }

  setColumns(columns: readonly Column[]): void {
    this.#columns = columns;
    for (const { element } of this.#pool.splice(0)) element.remove();
  }

  /** Something was drawn. */
  drawn(): void {
    const now = performance.now();
    const rested = now - this.#drawnAt >= REST_MS;
    this.#drawnAt = now;
    if (rested || forcedColours.matches) this.write();
    else this.#timer ??= window.setTimeout(this.#look, REST_MS);
  }

  /** Writes what is on the screen now. */
  write(): void {
    this.#writtenAt = performance.now();
    const { row, rows, first, end, selectedSequence } = this.#read();
    while (this.#pool.length < rows.length) this.#pool.push(this.#make(this.#pool.length));
    let active = '';
    for (const [slot, mirror] of this.#pool.entries()) {
      const shown = rows[slot];
      this.#show(mirror, shown !== undefined);
      if (!shown) continue;
      row.at(shown.index);
      this.#fill(mirror, row);
      const { element } = mirror;
      element.style.transform = `translateY(${shown.top}px)`;
      element.ariaRowIndex = String(shown.ordinal - first + 2);
      element.ariaSelected = String(shown.isSelected);
      if (!row.gap && row.sequence === selectedSequence) active = element.id;
    }
    this.#grid.ariaRowCount = String(end - first + 1);
    if (this.#grid.getAttribute('aria-activedescendant') === active) return;
    if (active === '') this.#grid.removeAttribute('aria-activedescendant');
    else this.#grid.setAttribute('aria-activedescendant', active);
  }

  #look = (): void => {
    this.#timer = null;
    const now = performance.now();
    const isResting = now - this.#drawnAt >= REST_MS;
    if (isResting || now - this.#writtenAt >= LONGEST_MS) this.write();
    else this.#timer = window.setTimeout(this.#look, REST_MS);
  };

  #show(mirror: MirrorRow, isShown: boolean): void {
    if (mirror.isShown === isShown) return;
    mirror.isShown = isShown;
    mirror.element.hidden = !isShown;
    // What is not shown is no row to anybody who counts them.
    if (!isShown) delete mirror.element.dataset['testid'];
  }

  #fill({ element, cells }: MirrorRow, row: RowView): void {
    const { dataset, classList } = element;
    const { gap } = row;
    dataset['testid'] = gap ? 'trace-gap' : 'trace-row';
    classList.toggle('gap', gap !== null);
    if (gap) {
      // Only a row that is seen has these.
      for (const name of ['sequence', 'operation', 'result'])
        element.removeAttribute(`data-${name}`);
      classList.remove('marked', 'gone');
      for (const [index, cell] of cells.entries())
        setText(cell, index === 0 ? gapText(gap) : '', gapDetail(gap));
      return;
    }
    dataset['sequence'] = String(row.sequence);
    dataset['operation'] = row.isGone ? '' : operationWord(row.operation).name;
    dataset['result'] = row.isGone ? '' : (resultNames[row.result] ?? 'error');
    classList.toggle('marked', noteOf(row.sequence) !== null);
    classList.toggle('gone', row.isGone);
    this.#columns.forEach((column, index) => {
      const cell = cells[index];
      if (!cell) return;
      if (row.isGone) setText(cell, index === 0 ? goneText(row.sequence) : '', '');
      else setText(cell, column.shown(row), column.exact?.(row) ?? '');
    });
  }

  #make(slot: number): MirrorRow {
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
      return cell;
    });
    element.append(...cells);
    this.#body.append(element);
    return { element, cells, isShown: false };
  }
}

/** Sets a cell's text and its exact value on hover, if they differ from what is there. */
function setText(cell: HTMLElement, text: string, exact: string): void {
  if (cell.textContent !== text) cell.textContent = text;
  if (cell.title !== exact) cell.title = exact;
}
