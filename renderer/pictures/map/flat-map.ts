/**
 * The map's requests where no graphics card does WebGL2: on a plain canvas. Cells are
 * an image that is made once for a result and placed where they are seen; the
 * processor would need many times as long as WebGL2, and the page would wait for it.
 */
import type { MapResult } from '../../trace/worker/derived/map';
import { channels, type Colours } from '../colours';
import type { PlotArea } from '../picture';
import { CanvasSurface, type Size } from '../surface';
import type { MapDrawer } from './gl-map';
import { layoutOf } from './layout';
import { drawData } from './map-picture';
import type { Plane } from './plane';
import { cellOpacity, cellTint, cellWords, tintsOf } from './tints';

export class FlatMap implements MapDrawer {
  readonly #context: CanvasRenderingContext2D;
  readonly #cells = new CellImage();
  readonly #lane = new CellImage();
  #result: MapResult | null = null;
  /** What the images are of. */
  #drawn: { readonly result: MapResult; readonly colours: Colours } | null = null;

  private constructor(context: CanvasRenderingContext2D) {
    this.#context = context;
  }

  /** Throws where the canvas has another context already. */
  static create(canvas: HTMLCanvasElement): FlatMap {
    const context = canvas.getContext('2d');
    if (!context) throw new Error('this window can draw on no canvas');
    return new FlatMap(context);
  }

  setResult(result: MapResult): void {
    this.#result = result;
  }

  draw(size: Size, scale: number, plane: Plane, colours: Colours): void {
    const context = this.#context;
    const result = this.#result;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, size.width * scale, size.height * scale);
    if (!result) return;
    if (!result.cells || !result.lane) {
      drawData(new CanvasSurface(context, scale), size, plane, result, colours);
      return;
    }
    const { columns, rows, timeFrom, timeTo, sectorFrom, sectorTo } = result.parameters;
    if (this.#drawn?.result !== result || this.#drawn.colours !== colours) {
      this.#drawn = { result, colours };
      const palette = paletteOf(colours);
      this.#cells.fill(result.cells, columns, rows, palette);
      this.#lane.fill(result.lane, columns, 1, palette);
    }
    const { plot, lane } = layoutOf(size);
    const perNs = plot.width / (plane.timeTo - plane.timeFrom);
    const perSector = plot.height / (plane.sectorTo - plane.sectorFrom);
    const left = plot.left + (timeFrom - plane.timeFrom) * perNs;
    const top = plot.top + (sectorFrom - plane.sectorFrom) * perSector;
    const width = (timeTo - timeFrom) * perNs;
    const height = (sectorTo - sectorFrom) * perSector;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.imageSmoothingEnabled = false;
    this.#cells.place(context, plot, { left, top, width, height });
    this.#lane.place(context, lane, { ...lane, left, width });
  }

  close(): void {
    this.#result = null;
    this.#drawn = null;
  }
}

/** A pixel for each cell. */
class CellImage {
  readonly #canvas = document.createElement('canvas');
  #pixels: ImageData | null = null;

  /** `cells`: CELL_BYTES each, row by row. */
  fill(cells: Uint8Array, columns: number, rows: number, palette: Uint32Array): void {
    const context = this.#canvas.getContext('2d', { willReadFrequently: true });
    if (!context) throw new Error('this window can draw on no canvas');
    if (this.#pixels?.width !== columns || this.#pixels.height !== rows) {
      this.#canvas.width = columns;
      this.#canvas.height = rows;
      this.#pixels = context.createImageData(columns, rows);
    }
    const words = cellWords(cells);
    const pixels = new Uint32Array(this.#pixels.data.buffer);
    for (let index = 0; index < words.length; index++) {
      const cell = words[index] ?? 0;
      const tint = cellTint(cell);
      pixels[index] =
        tint < 0 ? 0 : (palette[tint] ?? 0) | (Math.round(255 * cellOpacity(cell)) << 24);
    }
    context.putImageData(this.#pixels, 0, 0);
  }

  /** Draws what of `box` lies in `area`. */
  place(context: CanvasRenderingContext2D, area: PlotArea, box: PlotArea): void {
    context.save();
    context.beginPath();
    context.rect(area.left, area.top, area.width, area.height);
    context.clip();
    context.drawImage(this.#canvas, box.left, box.top, box.width, box.height);
    context.restore();
  }
}

/** The tints as pixels without their opacity. */
const paletteOf = (colours: Colours): Uint32Array =>
  Uint32Array.from(
    tintsOf(colours).map(channels),
    ([red, green, blue]) => red | (green << 8) | (blue << 16),
  );
