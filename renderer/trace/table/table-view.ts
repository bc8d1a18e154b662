/**
 * The rows on the screen: painted synchronously from the last frame
 * (row-painter.ts), with elements behind for those who do not look (row-mirror.ts).
 */
import { onThemeChange } from '../../widgets/theme';
import { VirtualScroller, wheelRows } from '../../widgets/virtual-scroller';
import type { Column } from '../columns';
import { noteOf } from '../marks';
import { RowView } from '../row-view';
import type { TraceSession } from '../trace-session';
import type { Frame } from '../worker/protocol';
import { gridTracks, shownColumns, useColumnLayout } from './column-layout';
import { RowMirror, type Mirrored } from './row-mirror';
import { type ColumnBox, ROW_HEIGHT, RowPainter, type PaintedRow } from './row-painter';

export interface Cell {
  /** Id of the column. */
  readonly column: string;
  readonly sequence: number;
}

/** A place in the window, pixels. */
export interface Point {
  readonly clientX: number;
  readonly clientY: number;
}

interface DrawnRow extends PaintedRow {
  readonly ordinal: number;
  readonly sequence: number;
  readonly isGone: boolean;
}

export class TableView {
  readonly #session: TraceSession;
  readonly #grid: HTMLElement;
  readonly #body: HTMLElement;
  readonly #canvas = document.createElement('canvas');
  /** A row without text, whose cells say where the columns are. */
  readonly #ruler = document.createElement('div');
  readonly #painter = new RowPainter(this.#canvas);
  readonly #mirror: RowMirror;
  readonly #scroller: VirtualScroller;
  readonly #observer: ResizeObserver;
  readonly #row = new RowView();
  readonly #forgetLayout: () => void;
  readonly #forgetTheme: () => void;
  #columns: readonly Column[] = [];
  #boxes: readonly ColumnBox[] = [];
  #visible = 1;
  /** What is on the screen; a newer frame may have come since. */
  #frame: Frame | null = null;
  #rows: readonly DrawnRow[] = [];
  /** Where the pointer is over the rows, pixels from their upper edge. */
  #pointer: number | null = null;

  /** `grid` is the focusable element with the rows' context; `body` holds the rows. */
  constructor(session: TraceSession, grid: HTMLElement, body: HTMLElement, scroller: HTMLElement) {
    this.#session = session;
    this.#grid = grid;
    this.#body = body;
    this.#canvas.className = 'trace-canvas';
    this.#canvas.ariaHidden = 'true';
    this.#ruler.className = 'trace-row trace-ruler';
    this.#ruler.ariaHidden = 'true';
    body.append(this.#canvas, this.#ruler);
    this.#mirror = new RowMirror(grid, body, () => this.#mirrored());
    this.#scroller = new VirtualScroller(body.id, (top) => session.scrollTo(top));
    scroller.append(this.#scroller.element);
    this.#forgetLayout = useColumnLayout.subscribe(() => this.#arrange());
    this.#observer = new ResizeObserver(() => this.#measure());
    // Told of another density of the screen as well.
    this.#observer.observe(body, { box: 'device-pixel-content-box' });
    body.addEventListener('wheel', this.#wheel, { passive: false });
    body.addEventListener('pointermove', this.#hover);
    body.addEventListener('pointerleave', this.#leave);
    this.#forgetTheme = onThemeChange(this.#retheme);
    document.fonts.addEventListener('loadingdone', this.#retheme);
    this.#arrange();
  }

  dispose(): void {
    this.#forgetLayout();
    this.#observer.disconnect();
    this.#body.removeEventListener('wheel', this.#wheel);
    this.#body.removeEventListener('pointermove', this.#hover);
    this.#body.removeEventListener('pointerleave', this.#leave);
    this.#forgetTheme();
    document.fonts.removeEventListener('loadingdone', this.#retheme);
    this.#mirror.dispose();
    this.#canvas.remove();
    this.#ruler.remove();
    this.#scroller.element.remove();
  }

  /** The ordinal of the row at a place. */
  ordinalAt(point: Point): number | null {
    return this.#rowAt(point)?.ordinal ?? null;
  }

  /** Whether the row at a place is one of a selected range. */
  isInRange(point: Point): boolean {
    return this.#session.range !== null && this.#rowAt(point)?.isSelected === true;
  }

  /** The cell at a place: its column's id and its request. */
  cellAt(point: Point): Cell | null {
    const row = this.#rowAt(point);
    const x = point.clientX - this.#body.getBoundingClientRect().left;
    const box = this.#boxes.find(({ left, width }) => x >= left && x < left + width);
    return row && box && !row.isGone && !row.gap
      ? { column: box.column.id, sequence: row.sequence }
      : null;
  }

  /** The element of the selected row, where that is seen. */
  selectedElement(): HTMLElement | null {
    this.#mirror.write();
    return document.getElementById(this.#grid.getAttribute('aria-activedescendant') ?? '');
  }

  draw(): void {
    const { frame, top } = this.#session;
    this.#frame = frame;
    this.#rows = frame ? this.#visibleRows(frame) : [];
    this.#painter.paint(this.#row, this.#rows);
    const place = { first: frame?.first ?? 0, end: frame?.end ?? 0, top, visible: this.#visible };
    this.#scroller.update(place);
    this.#mirror.drawn();
  }

  #visibleRows(frame: Frame): DrawnRow[] {
    const { top, selectedSequence, range } = this.#session;
    this.#row.open(frame);
    const rows: DrawnRow[] = [];
    const from = Math.max(Math.floor(top), frame.from);
    const end = Math.min(frame.end, frame.from + frame.count, Math.ceil(top + this.#visible));
    for (let ordinal = from; ordinal < end; ordinal++) {
      const index = ordinal - frame.from;
      const { sequence, isGone, gap } = this.#row.at(index);
      const isInRange = range !== null && sequence >= range.first && sequence <= range.last;
      const upper = Math.round((ordinal - top) * ROW_HEIGHT);
      rows.push({
        ordinal,
        index,
        sequence,
        isGone,
        top: upper,
        isOdd: ordinal % 2 === 1,
        isSelected: !gap && (isInRange || sequence === selectedSequence),
        isHovered: this.#isHovered(upper),
        isMarked: !gap && noteOf(sequence) !== null,
        gap,
      });
    }
    return rows;
  }

  #mirrored(): Mirrored {
    const { first, end } = this.#frame ?? { first: 0, end: 0 };
    if (this.#frame) this.#row.open(this.#frame);
    const { selectedSequence } = this.#session;
    return { row: this.#row, rows: this.#rows, first, end, selectedSequence };
  }

  #isHovered(top: number): boolean {
    return this.#pointer !== null && this.#pointer >= top && this.#pointer < top + ROW_HEIGHT;
  }

  #rowAt({ clientY }: Point): DrawnRow | null {
    const y = clientY - this.#body.getBoundingClientRect().top;
    return this.#rows.find(({ top }) => y >= top && y < top + ROW_HEIGHT) ?? null;
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
      this.#mirror.setColumns(shown);
      this.#ruler.replaceChildren(...shown.map(() => document.createElement('div')));
    }
    this.#measure();
  }

  #measure(): void {
    const { left, width, height } = this.#body.getBoundingClientRect();
    this.#visible = Math.max(1, height / ROW_HEIGHT);
    const cells = this.#ruler.children;
    this.#boxes = this.#columns.flatMap((column, index) => {
      const box = cells[index]?.getBoundingClientRect();
      return box ? { column, left: box.left - left, width: box.width } : [];
    });
    this.#painter.resize(width, height);
    this.#painter.setColumns(this.#boxes);
    this.#scroller.setHeight(height);
    this.#session.setVisibleRows(this.#visible);
    this.draw();
  }

  #retheme = (): void => {
    this.#painter.forgetTheme();
    this.draw();
  };

  #hover = ({ clientY }: PointerEvent): void => {
    this.#pointer = clientY - this.#body.getBoundingClientRect().top;
    this.#redrawHovered();
  };

  #leave = (): void => {
    this.#pointer = null;
    this.#redrawHovered();
  };

  #redrawHovered(): void {
    if (this.#rows.every(({ top, isHovered }) => isHovered === this.#isHovered(top))) return;
    this.#rows = this.#rows.map((row) => ({ ...row, isHovered: this.#isHovered(row.top) }));
    if (this.#frame) this.#row.open(this.#frame);
    this.#painter.paint(this.#row, this.#rows);
  }

  #wheel = (event: WheelEvent): void => {
    const rows = wheelRows(event, ROW_HEIGHT, this.#visible);
    if (rows === 0) return;
    event.preventDefault();
    this.#session.scrollBy(rows);
    this.draw();
  };
}
