/**
 * The rows as they are seen: drawn on a canvas, all of them anew in each frame,
 * straight from the records. Nothing is laid out, and no element is touched.
 */
import { formatCount, formatDuration } from '../../widgets/numbers';
import type { Column, Tint } from '../columns';
import type { RowView } from '../row-view';
import type { Gap } from '../worker/protocol';

/** Pixels; table.css says the same. */
export const ROW_HEIGHT = 19;
const PADDING = 8;
const MARK = { width: 3, height: 12, gap: 6 };
const CHIP = { height: 16, padding: 5, gap: 3, radius: 4 };
const BAR_HEIGHT = 11;
/** Of a row the user has marked. */
const MARKED_WIDTH = 3;
const FONT_SIZE = 11.5;
const CHIP_FONT_SIZE = 10.5;

/** Where a column is, pixels from the left of the rows. */
export interface ColumnBox {
  readonly column: Column;
  readonly left: number;
  readonly width: number;
}

/** What there is to know of a row besides its record. */
export interface PaintedRow {
  /** Its place in the frame that `RowView` has open. */
  readonly index: number;
  /** Of its upper edge, pixels. */
  readonly top: number;
  readonly isOdd: boolean;
  readonly isSelected: boolean;
  readonly isHovered: boolean;
  readonly isMarked: boolean;
  /** It is no row, but the line of a time in which nobody served. */
  readonly gap: Gap | null;
}

const tints = ['text', 'dim', 'error', 'read', 'write', 'flush', 'discard', 'zeroes', 'zone'];
const grounds = [
  'background',
  'row-odd',
  'raised',
  'selection',
  'line',
  'accent',
  'bar',
  'bar-slow',
  'error-pane',
];

/** Letters of other fonts, which may be wider than a digit. */
const otherLetters = /[\u0100-\uffff]/;

/** What is said where nobody served. */
export const gapText = ({ from, to }: Gap): string =>
  `No daemon served for ${formatDuration(to - from)}; requests waited`;

/** The same, more exactly. */
export const gapDetail = ({ from, to }: Gap): string =>
  `From ${formatCount(from)} to ${formatCount(to)} ns since the trace began. What the old daemon was serving at its end has no row: the next one served it again`;

/** What is said of a row that left since the rows were sorted. */
export const goneText = (sequence: number): string =>
  `Request ${formatCount(sequence)} is kept no longer: newer ones took its place`;

export class RowPainter {
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  #boxes: readonly ColumnBox[] = [];
  #colours: ReadonlyMap<string, string> | null = null;
  #width = 0;
  #height = 0;
  /** Device pixels a pixel. */
  #scale = 1;
  #family = 'monospace';
  #digitWidth = 7;
  #chipDigitWidth = 6;
  /** From the upper edge of a row to the line its letters stand on. */
  #baseline = 13;

  constructor(canvas: HTMLCanvasElement) {
    const context = canvas.getContext('2d', { alpha: false });
    if (!context) throw new Error('the window can draw no canvas');
    this.#canvas = canvas;
    this.#context = context;
  }

  /** The canvas has another size (pixels), or the screen another density. */
  resize(width: number, height: number): void {
    this.#scale = window.devicePixelRatio;
    this.#width = width;
    this.#height = height;
    this.#canvas.width = Math.max(1, Math.round(width * this.#scale));
    this.#canvas.height = Math.max(1, Math.round(height * this.#scale));
    this.#measureFont();
  }

  setColumns(boxes: readonly ColumnBox[]): void {
    this.#boxes = boxes;
  }

  /** The theme or the fonts are others. */
  forgetTheme(): void {
    this.#colours = null;
    this.#measureFont();
  }

  /** Draws these rows and nothing else. `row` has their frame open, and is moved. */
  paint(row: RowView, rows: readonly PaintedRow[]): void {
    const context = this.#context;
    context.setTransform(this.#scale, 0, 0, this.#scale, 0, 0);
    context.textBaseline = 'alphabetic';
    this.#rect(0, 0, this.#width, this.#height, 'background');
    for (const painted of rows) this.#ground(painted);
    context.font = `${FONT_SIZE}px ${this.#family}`;
    for (const box of this.#boxes) this.#column(box, row, rows);
    context.textAlign = 'left';
    for (const { index, top, gap } of rows) {
      if (gap) this.#gap(gap, top);
      if (gap || !row.at(index).isGone) continue;
      context.fillStyle = this.#colour('dim');
      context.fillText(goneText(row.sequence), PADDING, this.#snap(top + this.#baseline));
    }
  }

  #gap(gap: Gap, top: number): void {
    this.#rect(0, top, this.#width, ROW_HEIGHT, 'error-pane');
    this.#rect(0, top, this.#width, 1, 'error');
    this.#rect(0, top + ROW_HEIGHT - 1, this.#width, 1, 'error');
    this.#context.fillStyle = this.#colour('text');
    this.#context.fillText(gapText(gap), PADDING, this.#snap(top + this.#baseline));
  }

  #ground({ top, isOdd, isSelected, isHovered, isMarked }: PaintedRow): void {
    const name = isSelected ? 'selection' : isHovered ? 'raised' : isOdd ? 'row-odd' : null;
    if (name !== null) this.#rect(0, top, this.#width, ROW_HEIGHT, name);
    if (isMarked) this.#rect(0, top, MARKED_WIDTH, ROW_HEIGHT, 'accent');
  }

  #column({ column, left, width }: ColumnBox, row: RowView, rows: readonly PaintedRow[]): void {
    this.#context.textAlign = column.align;
    const from = left + PADDING;
    const to = left + width - PADDING;
    for (const { index, top, isSelected, gap } of rows) {
      if (gap || row.at(index).isGone) continue;
      if (column.bar) {
        const ground = column.isSlow?.(row) === true ? 'bar-slow' : 'bar';
        this.#rect(from, top + 4, (to - from) * column.bar(row), BAR_HEIGHT, ground);
      }
      const text = column.shown(row);
      if (text === '') continue;
      const tint: Tint = column.tint?.(row) ?? 'text';
      if (column.hasChips === true) {
        this.#chips(text, from, left + width, top, tint);
        continue;
      }
      // On the ground of a selected row faint words would be too faint.
      this.#context.fillStyle = this.#colour(isSelected && tint === 'dim' ? 'text' : tint);
      let start = from;
      if (column.hasMark === true) {
        const { width: markWidth, height, gap } = MARK;
        const markTop = this.#snap(top + (ROW_HEIGHT - height) / 2);
        this.#context.fillRect(from, markTop, markWidth, height);
        start += markWidth + gap;
      }
      const baseline = this.#snap(top + this.#baseline);
      if (this.#widthOf(text) > left + width - start)
        this.#cut(text, start, left + width, baseline);
      else this.#context.fillText(text, column.align === 'right' ? to : start, baseline);
    }
  }

  /** Pixels, with the font of the rows. Asked of each cell in each frame: nearly all have plain letters. */
  #widthOf(text: string): number {
    if (otherLetters.test(text)) return this.#context.measureText(text).width;
    return text.length * this.#digitWidth;
  }

  /** A text that is too long: its beginning. */
  #cut(text: string, from: number, to: number, baseline: number): void {
    const context = this.#context;
    const align = context.textAlign;
    context.save();
    context.beginPath();
    context.rect(from, baseline - ROW_HEIGHT, to - from, 2 * ROW_HEIGHT);
    context.clip();
    context.textAlign = 'left';
    context.fillText(text, from, baseline);
    context.restore();
    context.textAlign = align;
  }

  #chips(text: string, from: number, to: number, top: number, tint: Tint): void {
    const context = this.#context;
    context.font = `${CHIP_FONT_SIZE}px ${this.#family}`;
    context.fillStyle = this.#colour(tint);
    context.strokeStyle = this.#colour('line');
    context.lineWidth = 1;
    const upper = this.#snap(top + 1) + 0.5;
    const baseline = this.#snap(top + this.#baseline);
    let left = from;
    for (const word of text.split(' ')) {
      const width = Math.round(word.length * this.#chipDigitWidth) + 2 * CHIP.padding;
      // A word in part would be another word.
      if (left + width > to) break;
      context.beginPath();
      context.roundRect(left + 0.5, upper, width - 1, CHIP.height - 1, CHIP.radius);
      context.stroke();
      context.fillText(word, left + CHIP.padding, baseline);
      left += width + CHIP.gap;
    }
    context.font = `${FONT_SIZE}px ${this.#family}`;
  }

  /** Edges on whole device pixels: sharp, and no seams between rows. */
  #rect(left: number, top: number, width: number, height: number, colour: string): void {
    const upper = this.#snap(top);
    this.#context.fillStyle = this.#colour(colour);
    this.#context.fillRect(left, upper, width, this.#snap(top + height) - upper);
  }

  #snap(pixels: number): number {
    return Math.round(pixels * this.#scale) / this.#scale;
  }

  #colour(name: string): string {
    return (this.#colours ??= this.#readTheme()).get(name) ?? 'gray';
  }

  #readTheme(): ReadonlyMap<string, string> {
    const style = getComputedStyle(this.#canvas);
    return new Map(
      [...tints, ...grounds].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]),
    );
  }

  #measureFont(): void {
    const context = this.#context;
    this.#family = getComputedStyle(this.#canvas).getPropertyValue('--mono').trim();
    context.font = `${CHIP_FONT_SIZE}px ${this.#family}`;
    this.#chipDigitWidth = context.measureText('0').width;
    context.font = `${FONT_SIZE}px ${this.#family}`;
    const {
      width,
      fontBoundingBoxAscent: ascent,
      fontBoundingBoxDescent: descent,
    } = context.measureText('0');
    this.#digitWidth = width;
    this.#baseline = (ROW_HEIGHT - ascent - descent) / 2 + ascent;
  }
}
