/**
 * What pictures are drawn on: the screen's canvas, or the text of an SVG. So
 * that what is saved is what is seen.
 */
export type Align = 'left' | 'center' | 'right';

/** Pixels, from the left top. */
export interface Surface {
  rect(x: number, y: number, width: number, height: number, fill: string, opacity?: number): void;
  /** `points`: x and y by turns. */
  line(points: readonly number[], stroke: string, width?: number): void;
  /** `y` is the middle of the letters. */
  text(x: number, y: number, text: string, fill: string, align?: Align): void;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

const FONT_SIZE = 10.5;
const FONT = `${FONT_SIZE}px 'IBM Plex Mono', 'DejaVu Sans Mono', monospace`;

export class CanvasSurface implements Surface {
  readonly #context: CanvasRenderingContext2D;

  /** Drawing is in pixels of `scale` canvas pixels each. */
  constructor(context: CanvasRenderingContext2D, scale: number) {
    this.#context = context;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.font = FONT;
    context.textBaseline = 'middle';
    context.lineJoin = 'round';
  }

  rect(x: number, y: number, width: number, height: number, fill: string, opacity = 1): void {
    this.#context.globalAlpha = opacity;
    this.#context.fillStyle = fill;
    this.#context.fillRect(x, y, width, height);
    this.#context.globalAlpha = 1;
  }

  line(points: readonly number[], stroke: string, width = 1): void {
    const context = this.#context;
    context.strokeStyle = stroke;
    context.lineWidth = width;
    context.beginPath();
    for (let at = 0; at < points.length; at += 2)
      context.lineTo(points[at] ?? 0, points[at + 1] ?? 0);
    context.stroke();
  }

  text(x: number, y: number, text: string, fill: string, align: Align = 'left'): void {
    this.#context.fillStyle = fill;
    this.#context.textAlign = align;
    this.#context.fillText(text, x, y);
  }
}

const anchors: Readonly<Record<Align, string>> = { left: 'start', center: 'middle', right: 'end' };
const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

const short = (value: number): string => String(Number(value.toFixed(2)));
const escaped = (text: string): string => text.replace(/[&<>"]/g, (one) => entities[one] ?? one);

export class SvgSurface implements Surface {
  readonly #parts: string[] = [];

  rect(x: number, y: number, width: number, height: number, fill: string, opacity = 1): void {
    const faint = opacity < 1 ? ` fill-opacity="${short(opacity)}"` : '';
    this.#parts.push(
      `<rect x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}" fill="${escaped(fill)}"${faint}/>`,
    );
  }

  line(points: readonly number[], stroke: string, width = 1): void {
    const list = points.map(short).join(' ');
    this.#parts.push(
      `<polyline points="${list}" fill="none" stroke="${escaped(stroke)}" stroke-width="${short(width)}" stroke-linejoin="round"/>`,
    );
  }

  text(x: number, y: number, text: string, fill: string, align: Align = 'left'): void {
    this.#parts.push(
      `<text x="${short(x)}" y="${short(y)}" fill="${escaped(fill)}" text-anchor="${anchors[align]}">${escaped(text)}</text>`,
    );
  }

  /** The whole document. */
  document({ width, height }: Size): string {
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="IBM Plex Mono, DejaVu Sans Mono, monospace" font-size="${FONT_SIZE}" dominant-baseline="central">`,
      ...this.#parts,
      '</svg>\n',
    ].join('\n');
  }
}
