/**
 * Bytes as hex and characters, 16 a row, drawn on demand like the table: a
 * payload of a MiB has 65,536 rows. Selectable by mouse and keyboard; the range
 * is marked in both columns.
 */
import { formatHex } from '../widgets/numbers';
import { VirtualScroller, wheelRows } from '../widgets/virtual-scroller';
import { type ByteSelection, moveSelection, selectionEnd, selectionStart } from './byte-selection';
import { characterOf } from './byte-text';

/** Pixels; inspector.css says the same. */
const ROW_HEIGHT = 17;
const BYTES_IN_ROW = 16;

export interface HexBytes {
  readonly total: number;
  /** Undefined while it is on its way. */
  byte(offset: number): number | undefined;
}

/** Bytes [start, end). */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface HexViewEvents {
  readonly selectionChanged: (selection: ByteSelection | null) => void;
  /** The byte under the pointer, or null when it has left. */
  readonly byteHovered: (offset: number | null) => void;
  readonly copyAsked: () => void;
}

interface HexRow {
  readonly element: HTMLElement;
  readonly offset: HTMLElement;
  readonly bytes: readonly HTMLElement[];
  readonly characters: readonly HTMLElement[];
}

export class HexView {
  readonly #host: HTMLElement;
  readonly #events: HexViewEvents;
  readonly #rowsPlace = document.createElement('div');
  readonly #scroller: VirtualScroller;
  readonly #observer: ResizeObserver;
  #rows: HexRow[] = [];
  #bytes: HexBytes = { total: 0, byte: () => undefined };
  /** What the offsets count from. */
  #base = 0n;
  #top = 0;
  #visible = 1;
  #selection: ByteSelection | null = null;
  /** Bytes of the field that is looked at. */
  #highlight: ByteRange | null = null;
  /** 1 for each byte that an earlier write had otherwise. */
  #changed: Uint8Array | null = null;
  #hovered: number | null = null;
  #isDragging = false;

  /** `host`: a focusable element with an id; it takes the keys. */
  constructor(host: HTMLElement, events: HexViewEvents) {
    this.#host = host;
    this.#events = events;
    this.#rowsPlace.className = 'hex-rows';
    this.#scroller = new VirtualScroller(host.id, (top) => this.#scrollTo(top));
    host.append(this.#rowsPlace, this.#scroller.element);
    this.#observer = new ResizeObserver(() => this.#measure());
    this.#observer.observe(host);
    host.addEventListener('wheel', this.#wheel, { passive: false });
    host.addEventListener('keydown', this.#key);
    this.#rowsPlace.addEventListener('pointerdown', this.#press);
    this.#rowsPlace.addEventListener('pointermove', this.#move);
    this.#rowsPlace.addEventListener('pointerleave', this.#leave);
    this.#rowsPlace.addEventListener('pointerup', this.#release);
    this.#rowsPlace.addEventListener('pointercancel', this.#release);
    this.#measure();
  }

  dispose(): void {
    this.#observer.disconnect();
    this.#host.removeEventListener('wheel', this.#wheel);
    this.#host.removeEventListener('keydown', this.#key);
    this.#host.replaceChildren();
  }

  /** Shows other bytes from their beginning; nothing is selected. */
  show(bytes: HexBytes): void {
    this.#bytes = bytes;
    this.#top = 0;
    this.#select(null);
  }

  /** `base` is added to the offsets on the left. */
  setBase(base: bigint): void {
    this.#base = base;
    this.draw();
  }

  /** Marks the bytes of a field; null marks none. */
  setHighlight(range: ByteRange | null): void {
    if (range?.start === this.#highlight?.start && range?.end === this.#highlight?.end) return;
    this.#highlight = range;
    this.draw();
  }

  /** Marks the bytes that differ from an earlier write; null marks none. */
  setChanged(mask: Uint8Array | null): void {
    if (mask === this.#changed) return;
    this.#changed = mask;
    this.draw();
  }

  /** Scrolls so that `range` is seen, its beginning if it is too long. */
  reveal({ start, end }: ByteRange): void {
    this.#reveal(Math.max(start, end - 1));
    this.#reveal(start);
    this.draw();
  }

  draw(): void {
    const { total } = this.#bytes;
    const rows = Math.ceil(total / BYTES_IN_ROW);
    this.#top = Math.max(0, Math.min(this.#top, rows - this.#visible));
    const start = Math.floor(this.#top);
    const digits = Math.max(4, (this.#base + BigInt(total)).toString(16).length);
    this.#rows.forEach((row, index) => {
      const number = start + index;
      row.element.hidden = number >= rows;
      if (number >= rows) return;
      const offset = Math.round((number - this.#top) * ROW_HEIGHT);
      row.element.style.transform = `translateY(${offset}px)`;
      row.offset.textContent = (this.#base + BigInt(number * BYTES_IN_ROW))
        .toString(16)
        .padStart(digits, '0');
      this.#drawRow(row, number * BYTES_IN_ROW);
    });
    this.#scroller.update({ first: 0, end: rows, top: this.#top, visible: this.#visible });
  }

  #drawRow(row: HexRow, first: number): void {
    const selection = this.#selection;
    const start = selection ? selectionStart(selection) : -1;
    const end = selection ? selectionEnd(selection) : -1;
    const highlight = this.#highlight;
    for (let index = 0; index < BYTES_IN_ROW; index++) {
      const cell = row.bytes[index];
      const character = row.characters[index];
      if (!cell || !character) continue;
      const offset = first + index;
      const isThere = offset < this.#bytes.total;
      cell.hidden = character.hidden = !isThere;
      if (!isThere) {
        delete cell.dataset['byte'];
        delete character.dataset['character'];
        continue;
      }
      const byte = this.#bytes.byte(offset);
      cell.textContent = byte === undefined ? '··' : formatHex(byte, 2);
      character.textContent = byte === undefined ? ' ' : characterOf(byte);
      cell.dataset['byte'] = character.dataset['character'] = String(offset);
      const isSelected = offset >= start && offset < end;
      const isCursor = offset === selection?.cursor;
      const isField = highlight !== null && offset >= highlight.start && offset < highlight.end;
      const isChanged = this.#changed?.[offset] === 1;
      for (const part of [cell, character]) {
        part.classList.toggle('zero', byte === 0 || byte === undefined);
        part.classList.toggle('selected', isSelected);
        part.classList.toggle('cursor', isCursor);
        part.classList.toggle('in-field', isField);
        part.classList.toggle('changed', isChanged);
      }
    }
  }

  #measure(): void {
    const height = this.#host.clientHeight;
    this.#visible = Math.max(1, height / ROW_HEIGHT);
    const size = Math.ceil(this.#visible) + 1;
    while (this.#rows.length < size) this.#rows.push(this.#make());
    for (const row of this.#rows.splice(size)) row.element.remove();
    this.#scroller.setHeight(height);
    this.draw();
  }

  #make(): HexRow {
    const element = document.createElement('div');
    element.className = 'hex-row';
    const span = (className: string) => {
      const made = document.createElement('span');
      made.className = className;
      return made;
    };
    const offset = span('hex-offset');
    const indices = Array.from({ length: BYTES_IN_ROW }, (_, index) => index);
    const bytes = indices.map((index) => span(index === 8 ? 'hex-byte middle' : 'hex-byte'));
    const characters = indices.map(() => span('hex-character'));
    const text = span('hex-text');
    text.append(...characters);
    element.append(offset, ...bytes, text);
    this.#rowsPlace.append(element);
    return { element, offset, bytes, characters };
  }

  #scrollTo(top: number): void {
    this.#top = top;
    this.draw();
  }

  #select(selection: ByteSelection | null): void {
    this.#selection = selection;
    this.#events.selectionChanged(selection);
    this.draw();
  }

  #reveal(offset: number): void {
    const row = Math.floor(offset / BYTES_IN_ROW);
    if (row < this.#top) this.#top = row;
    else if (row + 1 > this.#top + this.#visible) this.#top = row + 1 - this.#visible;
  }

  #byteAt(x: number, y: number): number | null {
    const element = document.elementFromPoint(x, y);
    if (!(element instanceof HTMLElement) || !this.#rowsPlace.contains(element)) return null;
    const offset = element.dataset['byte'] ?? element.dataset['character'];
    return offset === undefined ? null : Number(offset);
  }

  #wheel = (event: WheelEvent): void => {
    const rows = wheelRows(event, ROW_HEIGHT, this.#visible);
    if (rows === 0) return;
    event.preventDefault();
    this.#scrollTo(this.#top + rows);
  };

  #key = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && this.#selection) {
      event.stopPropagation();
      this.#select(null);
      return;
    }
    if (event.ctrlKey && event.key === 'c') {
      event.preventDefault();
      this.#events.copyAsked();
      return;
    }
    if (event.altKey || event.metaKey) return;
    const { total } = this.#bytes;
    const pageRows = Math.floor(this.#visible);
    const moved = moveSelection(this.#selection, event, total, pageRows);
    if (!moved) return;
    event.preventDefault();
    this.#reveal(moved.cursor);
    this.#select(moved);
  };

  #press = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    const offset = this.#byteAt(event.clientX, event.clientY);
    if (offset === null) {
      this.#select(null);
      return;
    }
    this.#isDragging = true;
    this.#rowsPlace.setPointerCapture(event.pointerId);
    const anchor = event.shiftKey && this.#selection ? this.#selection.anchor : offset;
    this.#select({ anchor, cursor: offset });
  };

  #leave = (): void => this.#hover(null);

  #hover(offset: number | null): void {
    if (offset === this.#hovered) return;
    this.#hovered = offset;
    this.#events.byteHovered(offset);
  }

  #move = (event: PointerEvent): void => {
    if (!this.#isDragging || !this.#selection) {
      this.#hover(this.#byteAt(event.clientX, event.clientY));
      return;
    }
    const box = this.#host.getBoundingClientRect();
    if (event.clientY < box.top) this.#scrollTo(this.#top - 1);
    else if (event.clientY > box.bottom) this.#scrollTo(this.#top + 1);
    const y = Math.max(box.top + 1, Math.min(event.clientY, box.bottom - 2));
    const offset = this.#byteAt(event.clientX, y);
    if (offset !== null) this.#select({ anchor: this.#selection.anchor, cursor: offset });
  };

  #release = (): void => {
    this.#isDragging = false;
  };
}
