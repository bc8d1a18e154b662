/**
 * The map on the screen: two canvases, the data below and the axes and the brush
 * above; the part of the plane that is seen; pointer and keys. It asks for a
 * part of the plane when it needs another, and draws what it has until then.
 */
import { type MapParameters, type MapResult, point } from '../../trace/worker/derived/map';
import type { Gap } from '../../trace/worker/protocol';
import type { Brush } from '../brush';
import type { Colours } from '../colours';
import { CanvasSurface, type Size } from '../surface';
import { FlatMap } from './flat-map';
import { GlMap, type MapDrawer } from './gl-map';
import { layoutOf } from './layout';
import { partOf, pointAt, spansOf, textAt } from './map-hits';
import { drawAxes } from './map-picture';
import { isInside, keptIn, panned, type Plane, zoomedAt } from './plane';
import { partAround, partOfTimes, wholePlane, willDo } from './wanted-part';

export interface MapEvents {
  request(parameters: MapParameters): void;
  /** Null: the brush was taken away. */
  brushed(brush: Brush | null): void;
  /** What is under the pointer; '' for nothing. */
  hovered(text: string): void;
  /** A single request was clicked. */
  picked(sequence: number): void;
  zoomChanged(isZoomed: boolean): void;
  /** WebGL2 refuses its work, or is there no more. */
  fellBack(reason: string): void;
}

/** A pointer that moved less has clicked. */
const CLICK = 4;
const FIRST_SPAN_NS = 1e9;

interface Drag {
  readonly pointer: number;
  readonly isPan: boolean;
  readonly fromX: number;
  readonly fromY: number;
  x: number;
  y: number;
}

export class MapController {
  readonly #host: HTMLElement;
  readonly #events: MapEvents;
  readonly #axes = document.createElement('canvas');
  #data: HTMLCanvasElement;
  #drawer: MapDrawer;
  #size: Size = { width: 0, height: 0 };
  #scale = 1;
  #colours: Colours;
  #sectors: number;
  #result: MapResult | null = null;
  /** What is seen when it is not all. */
  #plane: Plane | null = null;
  /** The plane was held still for a brush, not zoomed by hand. */
  #isHeld = false;
  #asked: MapParameters | null = null;
  #brush: Brush | null = null;
  #gaps: readonly Gap[] = [];
  #drag: Drag | null = null;
  #isDrawRequested = false;
  readonly #observer: ResizeObserver;

  /** `sectors`: of the disk. */
  constructor(host: HTMLElement, sectors: number, colours: Colours, events: MapEvents) {
    this.#host = host;
    this.#events = events;
    this.#sectors = sectors;
    this.#colours = colours;
    this.#axes.className = 'map-axes';
    [this.#data, this.#drawer] = this.#makeDrawer();
    host.append(this.#data, this.#axes);
    this.#observer = new ResizeObserver(() => this.#resize());
    this.#observer.observe(host);
    host.addEventListener('pointerdown', this.#press);
    host.addEventListener('pointermove', this.#move);
    host.addEventListener('pointerup', this.#release);
    host.addEventListener('pointercancel', this.#cancel);
    host.addEventListener('pointerleave', this.#leave);
    host.addEventListener('dblclick', this.#doubleClick);
    host.addEventListener('wheel', this.#wheel, { passive: false });
    host.addEventListener('keydown', this.#key);
    this.#resize();
  }

  close(): void {
    this.#observer.disconnect();
    this.#data.removeEventListener('webglcontextlost', this.#contextLost);
    this.#drawer.close();
    this.#host.replaceChildren();
    this.#host.removeEventListener('pointerdown', this.#press);
    this.#host.removeEventListener('pointermove', this.#move);
    this.#host.removeEventListener('pointerup', this.#release);
    this.#host.removeEventListener('pointercancel', this.#cancel);
    this.#host.removeEventListener('pointerleave', this.#leave);
    this.#host.removeEventListener('dblclick', this.#doubleClick);
    this.#host.removeEventListener('wheel', this.#wheel);
    this.#host.removeEventListener('keydown', this.#key);
  }

  /** What is seen now. */
  get plane(): Plane {
    return this.#plane ?? this.#whole();
  }

  get size(): Size {
    return this.#size;
  }

  setColours(colours: Colours): void {
    this.#colours = colours;
    this.#requestDraw();
  }

  /** The brush that is part of the filter; null if none is. */
  setBrush(brush: Brush | null): void {
    this.#brush = brush;
    if (brush === null && this.#isHeld) this.#setPlane(null);
    this.#requestDraw();
  }

  /** When nobody served, ns since the trace began. */
  setGaps(gaps: readonly Gap[]): void {
    this.#gaps = gaps;
    this.#requestDraw();
  }

  setResult(result: MapResult): void {
    this.#result = result;
    this.#drawer.setResult(result);
    this.#host.dataset['count'] = String(result.count);
    this.#host.dataset['mode'] = result.points ? 'points' : 'cells';
    this.#ask();
    this.#requestDraw();
  }

  showAll(): void {
    this.#setPlane(null);
  }

  /** The part that is seen becomes the brush. */
  brushSeen(): void {
    this.#setBrushOf(this.plane, true, true);
  }

  // --- the part that is seen ---

  #whole(): Plane {
    const { from, to } = this.#result ?? { from: Infinity, to: -Infinity };
    const isEmpty = !(to >= from);
    return wholePlane(isEmpty ? 0 : from, isEmpty ? FIRST_SPAN_NS : to, this.#sectors);
  }

  #setPlane(plane: Plane | null, isHeld = false): void {
    this.#plane = plane;
    this.#isHeld = isHeld && plane !== null;
    this.#events.zoomChanged(plane !== null && !this.#isHeld);
    this.#ask();
    this.#requestDraw();
  }

  #zoom(at: { x: number; y: number }, factor: { x: number; y: number }): void {
    const whole = this.#whole();
    const plane = keptIn(zoomedAt(this.plane, at, factor), whole);
    this.#setPlane(isInside(whole, plane) ? null : plane);
  }

  #pan(x: number, y: number): void {
    if (this.#plane) this.#setPlane(keptIn(panned(this.#plane, x, y), this.#whole()));
  }

  /** Asks for another part when what is there does not hold what is seen, or only coarsely. */
  #ask(): void {
    if (this.#size.width === 0) return;
    const { plot } = layoutOf(this.#size);
    const asked = this.#asked;
    const whole = partOfTimes(plot, this.#sectors);
    if (this.#plane === null) {
      const { columns, rows } = whole;
      if (asked?.isAll === true && asked.columns === columns && asked.rows === rows) return;
      this.#asked = whole;
    } else {
      // Which part all time is, the result says.
      const there = asked?.isAll === true ? this.#result?.parameters : asked;
      if (there && willDo(there, this.#plane, plot)) return;
      this.#asked = partAround(this.#plane, plot);
    }
    this.#events.request(this.#asked);
  }

  // --- drawing ---

  #makeDrawer(): [HTMLCanvasElement, MapDrawer] {
    const canvas = document.createElement('canvas');
    canvas.className = 'map-data';
    // Without a graphics card nothing is amiss.
    let reason: string | null = null;
    try {
      const drawer = GlMap.create(canvas);
      if (drawer) {
        canvas.addEventListener('webglcontextlost', this.#contextLost);
        return [canvas, drawer];
      }
    } catch (thrown) {
      reason = thrown instanceof Error ? thrown.message : String(thrown);
    }
    return this.#makeFlat(reason);
  }

  #makeFlat(reason: string | null): [HTMLCanvasElement, MapDrawer] {
    // A canvas keeps its kind of context for ever: a new one.
    const canvas = document.createElement('canvas');
    canvas.className = 'map-data';
    if (reason !== null) this.#events.fellBack(reason);
    return [canvas, FlatMap.create(canvas)];
  }

  #contextLost = (): void => {
    const [canvas, drawer] = this.#makeFlat('The graphics card took WebGL2 away');
    this.#data.replaceWith(canvas);
    [this.#data, this.#drawer] = [canvas, drawer];
    if (this.#result) drawer.setResult(this.#result);
    this.#resize();
  };

  #resize(): void {
    const { width, height } = this.#host.getBoundingClientRect();
    this.#size = { width: Math.floor(width), height: Math.floor(height) };
    this.#scale = window.devicePixelRatio;
    for (const canvas of [this.#data, this.#axes]) {
      canvas.width = Math.round(this.#size.width * this.#scale);
      canvas.height = Math.round(this.#size.height * this.#scale);
    }
    this.#ask();
    // At once: a canvas that was resized is empty.
    this.#draw();
  }

  #requestDraw(): void {
    if (this.#isDrawRequested) return;
    this.#isDrawRequested = true;
    requestAnimationFrame(() => {
      this.#isDrawRequested = false;
      this.#draw();
    });
  }

  #draw(): void {
    const { width, height } = this.#size;
    const context = this.#axes.getContext('2d');
    if (width === 0 || height === 0 || !context) return;
    const plane = this.plane;
    this.#drawer.draw(this.#size, this.#scale, plane, this.#colours);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.#axes.width, this.#axes.height);
    const surface = new CanvasSurface(context, this.#scale);
    drawAxes(surface, this.#size, plane, this.#gaps, this.#colours);
    this.#drawBrush(surface, plane);
  }

  #drawBrush(surface: CanvasSurface, plane: Plane): void {
    const { plot } = layoutOf(this.#size);
    const drag = this.#drag;
    const brush = drag && !drag.isPan && this.#isDragged(drag) ? this.#brushOf(drag) : this.#brush;
    if (!brush) return;
    const share = (at: number, from: number, to: number): number =>
      Math.max(0, Math.min(1, (at - from) / (to - from)));
    const { time, sectors } = brush;
    const left = time ? share(time.from, plane.timeFrom, plane.timeTo) : 0;
    const right = time ? share(time.to, plane.timeFrom, plane.timeTo) : 1;
    const top = sectors ? share(sectors.from, plane.sectorFrom, plane.sectorTo) : 0;
    const bottom = sectors ? share(sectors.to + 1, plane.sectorFrom, plane.sectorTo) : 1;
    const x = plot.left + left * plot.width;
    const y = plot.top + top * plot.height;
    const [width, height] = [(right - left) * plot.width, (bottom - top) * plot.height];
    if (width <= 0 || height <= 0) return;
    const { accent } = this.#colours;
    surface.rect(x, y, width, height, accent, 0.12);
    surface.line([x, y, x + width, y, x + width, y + height, x, y + height, x, y], accent);
  }

  // --- pointer and keys ---

  /** Shares of the plot; outside it below 0 or above 1. */
  #place(x: number, y: number): { x: number; y: number } {
    const { plot } = layoutOf(this.#size);
    return { x: (x - plot.left) / plot.width, y: (y - plot.top) / plot.height };
  }

  #offset(event: MouseEvent): { x: number; y: number } {
    const box = this.#host.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #isDragged({ fromX, fromY, x, y }: Drag): boolean {
    return Math.max(Math.abs(x - fromX), Math.abs(y - fromY)) >= CLICK;
  }

  /** A drag along one axis alone marks that one alone. */
  #brushOf({ fromX, fromY, x, y }: Drag): Brush {
    const from = this.#place(Math.min(fromX, x), Math.min(fromY, y));
    const to = this.#place(Math.max(fromX, x), Math.max(fromY, y));
    const marked = partOf(this.plane, from, to);
    return spansOf(marked, Math.abs(x - fromX) >= CLICK, Math.abs(y - fromY) >= CLICK);
  }

  #setBrushOf(plane: Plane, hasTime: boolean, hasSectors: boolean): void {
    this.#takeBrush(spansOf(plane, hasTime, hasSectors));
  }

  #takeBrush(brush: Brush | null): void {
    // The filter leaves less, and what is seen of it would move: it stays.
    if (brush !== null && this.#plane === null) this.#setPlane(this.#whole(), true);
    this.#events.brushed(brush);
  }

  #press = (event: PointerEvent): void => {
    if (event.button !== 0 && event.button !== 1) return;
    const { x, y } = this.#offset(event);
    const isPan = event.button === 1 || event.shiftKey;
    this.#drag = { pointer: event.pointerId, isPan, fromX: x, fromY: y, x, y };
    this.#host.setPointerCapture(event.pointerId);
  };

  #move = (event: PointerEvent): void => {
    const { x, y } = this.#offset(event);
    const drag = this.#drag;
    if (drag?.pointer !== event.pointerId) {
      this.#hover(x, y);
      return;
    }
    if (drag.isPan) {
      const { plot } = layoutOf(this.#size);
      this.#pan((drag.x - x) / plot.width, (drag.y - y) / plot.height);
    }
    drag.x = x;
    drag.y = y;
    this.#requestDraw();
  };

  #release = (event: PointerEvent): void => {
    const drag = this.#drag;
    if (drag?.pointer !== event.pointerId) return;
    this.#drag = null;
    if (!drag.isPan && this.#isDragged(drag)) this.#takeBrush(this.#brushOf(drag));
    else if (!drag.isPan) this.#click(drag.x, drag.y);
    this.#requestDraw();
  };

  #cancel = (): void => {
    this.#drag = null;
    this.#requestDraw();
  };

  #leave = (): void => this.#events.hovered('');

  #click(x: number, y: number): void {
    const index = pointAt(this.#result, this.#size, this.plane, x, y);
    const points = this.#result?.points;
    if (index === null || !points) return;
    this.#events.picked(points[index * point.size + point.sequence] ?? 0);
  }

  #hover(x: number, y: number): void {
    this.#events.hovered(textAt(this.#result, this.#size, this.plane, x, y));
  }

  #doubleClick = (event: MouseEvent): void => {
    const { x, y } = this.#offset(event);
    this.#zoom(this.#place(x, y), { x: 0.4, y: 0.4 });
  };

  #wheel = (event: WheelEvent): void => {
    // Ctrl and the wheel is the window's own zoom.
    if (event.ctrlKey || event.deltaY + event.deltaX === 0) return;
    event.preventDefault();
    const { x, y } = this.#offset(event);
    // With Shift some systems turn the wheel sideways.
    const factor = Math.exp(Math.max(-1, Math.min(1, (event.deltaY + event.deltaX) / 240)));
    this.#zoom(this.#place(x, y), {
      x: event.altKey ? 1 : factor,
      y: event.shiftKey ? 1 : factor,
    });
    this.#hover(x, y);
  };

  #key = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const middle = { x: 0.5, y: 0.5 };
    switch (event.key) {
      case '+':
      case '=':
        this.#zoom(middle, { x: 0.7, y: 0.7 });
        break;
      case '-':
        this.#zoom(middle, { x: 1.4, y: 1.4 });
        break;
      case '0':
      case 'Home':
        this.showAll();
        break;
      case 'ArrowLeft':
        this.#pan(-0.1, 0);
        break;
      case 'ArrowRight':
        this.#pan(0.1, 0);
        break;
      case 'ArrowUp':
        this.#pan(0, -0.1);
        break;
      case 'ArrowDown':
        this.#pan(0, 0.1);
        break;
      case 'b':
        this.brushSeen();
        break;
      case 'Escape':
        if (!this.#brush) return;
        this.#takeBrush(null);
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
}
