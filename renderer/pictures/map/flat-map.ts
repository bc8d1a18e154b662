/** The map's requests where there is no WebGL2: rectangles on a plain canvas. */
import type { MapResult } from '../../trace/worker/derived/map';
import type { Colours } from '../colours';
import { CanvasSurface, type Size } from '../surface';
import type { MapDrawer } from './gl-map';
import { drawData } from './map-picture';
import type { Plane } from './plane';

export class FlatMap implements MapDrawer {
  readonly #context: CanvasRenderingContext2D;
  #result: MapResult | null = null;

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
    this.#context.setTransform(1, 0, 0, 1, 0, 0);
    this.#context.clearRect(0, 0, size.width * scale, size.height * scale);
    if (!this.#result) return;
    drawData(new CanvasSurface(this.#context, scale), size, plane, this.#result, colours);
  }

  close(): void {
    this.#result = null;
  }
}
