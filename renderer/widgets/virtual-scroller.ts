/**
 * A scroll bar for rows that are drawn on demand. Positions are rows, not
 * pixels: browsers stop at some 33 M pixels, which is fewer rows than we keep,
 * and a native scroller would move the rows when old ones leave.
 */

export interface ScrollPosition {
  /** Rows that exist: [first, end). */
  readonly first: number;
  readonly end: number;
  /** The topmost row, in part perhaps. */
  readonly top: number;
  /** Rows that fit. */
  readonly visible: number;
}

const SHORTEST_THUMB = 24;

export class VirtualScroller {
  readonly element = document.createElement('div');
  readonly #thumb = document.createElement('div');
  readonly #scrollTo: (top: number) => void;
  #position: ScrollPosition = { first: 0, end: 0, top: 0, visible: 1 };
  #height = 0;
  /** Where in the thumb it was taken, while it is dragged; rows a pixel. */
  #drag: { pointer: number; offset: number } | null = null;

  /** `controls`: id of what it scrolls. `scrollTo` may be called with any number: clamp it. */
  constructor(controls: string, scrollTo: (top: number) => void) {
    this.#scrollTo = scrollTo;
    this.element.className = 'scroller';
    this.element.setAttribute('role', 'scrollbar');
    this.element.setAttribute('aria-controls', controls);
    this.element.setAttribute('aria-orientation', 'vertical');
    this.#thumb.className = 'scroller-thumb';
    this.element.append(this.#thumb);
    this.element.addEventListener('pointerdown', this.#press);
    this.element.addEventListener('pointermove', this.#move);
    this.element.addEventListener('pointerup', this.#release);
    this.element.addEventListener('pointercancel', this.#release);
  }

  /** The height of the track, in pixels. Measured by the owner, who knows when it changes. */
  setHeight(height: number): void {
    this.#height = height;
    this.update(this.#position);
  }

  update(position: ScrollPosition): void {
    this.#position = position;
    const rows = position.end - position.first;
    const isNeeded = rows > position.visible;
    this.element.classList.toggle('idle', !isNeeded);
    if (!isNeeded) return;
    const thumb = this.#thumbHeight();
    const share = (position.top - position.first) / (rows - position.visible);
    const offset = share * (this.#height - thumb);
    this.#thumb.style.height = `${thumb.toFixed(1)}px`;
    this.#thumb.style.transform = `translateY(${offset.toFixed(1)}px)`;
    this.element.setAttribute('aria-valuemin', '0');
    this.element.setAttribute('aria-valuemax', String(Math.ceil(rows - position.visible)));
    this.element.setAttribute('aria-valuenow', String(Math.floor(position.top - position.first)));
  }

  #thumbHeight(): number {
    const { first, end, visible } = this.#position;
    return Math.max(SHORTEST_THUMB, (this.#height * visible) / Math.max(1, end - first));
  }

  #press = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    // The focus stays where it is: in the rows.
    event.preventDefault();
    const box = this.#thumb.getBoundingClientRect();
    if (event.clientY < box.top || event.clientY > box.bottom) {
      const { top, visible } = this.#position;
      const page = Math.max(1, visible - 1);
      this.#scrollTo(event.clientY < box.top ? top - page : top + page);
      return;
    }
    this.#drag = { pointer: event.pointerId, offset: event.clientY - box.top };
    this.element.setPointerCapture(event.pointerId);
    this.element.classList.add('dragged');
  };

  #move = (event: PointerEvent): void => {
    if (this.#drag?.pointer !== event.pointerId) return;
    const track = this.element.getBoundingClientRect();
    const room = this.#height - this.#thumbHeight();
    const share = room <= 0 ? 0 : (event.clientY - track.top - this.#drag.offset) / room;
    const { first, end, visible } = this.#position;
    this.#scrollTo(first + Math.max(0, Math.min(1, share)) * (end - first - visible));
  };

  #release = (event: PointerEvent): void => {
    if (this.#drag?.pointer !== event.pointerId) return;
    this.#drag = null;
    this.element.classList.remove('dragged');
  };
}

/** Rows that a wheel event asks for, and whether it means up and down at all. */
export function wheelRows(event: WheelEvent, rowHeight: number, page: number): number {
  if (event.ctrlKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) return 0;
  if (event.deltaMode === WheelEvent.DOM_DELTA_LINE) return event.deltaY;
  if (event.deltaMode === WheelEvent.DOM_DELTA_PAGE) return event.deltaY * page;
  return event.deltaY / rowHeight;
}
