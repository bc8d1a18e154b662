/**
 * The map's requests on WebGL2: one shader for the grid of cells, one for single
 * requests. It keeps what it was given and draws any part of it, so that zooming
 * and panning do not wait for the worker.
 */
import { CELL_BYTES, type MapResult, point, POINT_FAILED } from '../../trace/worker/derived/map';
import { channels, type Colours } from '../colours';
import type { PlotArea } from '../picture';
import type { Size } from '../surface';
import { layoutOf, POINT } from './layout';
import type { Plane } from './plane';
import { FAILED_TINT, FAINTEST, tintsOf } from './tints';

/** What draws the data of the map on its canvas. */
export interface MapDrawer {
  setResult(result: MapResult): void;
  draw(size: Size, scale: number, plane: Plane, colours: Colours): void;
  close(): void;
}

/** A unit square, placed by `area` of the result's own 0 … 1 both ways. */
const gridVertex = `#version 300 es
uniform vec4 part;
out vec2 place;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  place = part.xy + corner * part.zw;
  gl_Position = vec4(corner.x * 2.0 - 1.0, 1.0 - corner.y * 2.0, 0.0, 1.0);
}`;

const gridFragment = `#version 300 es
precision highp float;
uniform sampler2D cells;
uniform vec3 palette[8];
in vec2 place;
out vec4 colour;
void main() {
  if (any(lessThan(place, vec2(0.0))) || any(greaterThanEqual(place, vec2(1.0)))) discard;
  vec4 cell = texture(cells, place);
  int family = int(cell.r * 255.0 + 0.5) - 1;
  if (family < 0) discard;
  vec3 tint = cell.b > 0.5 ? palette[${FAILED_TINT}] : palette[family];
  float opacity = ${FAINTEST.toFixed(2)} + ${(1 - FAINTEST).toFixed(2)} * cell.g;
  colour = vec4(tint * opacity, opacity);
}`;

/** An instance a request: its place (time, sector, sectors) as shares of the result's part. */
const pointVertex = `#version 300 es
layout(location = 0) in vec3 place;
layout(location = 1) in uint kind;
uniform vec4 part;
uniform vec2 least;
uniform bool isLane;
uniform vec3 palette[8];
flat out vec3 tint;
void main() {
  bool hasSectors = place.z > 0.0;
  if (hasSectors == isLane) {
    gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
    return;
  }
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  vec2 at = (place.xy - part.xy) / part.zw;
  vec2 size = vec2(least.x, max(least.y, place.z / part.w));
  if (isLane) {
    at.y = 0.0;
    size.y = 1.0;
  }
  vec2 spot = vec2(at.x - least.x * 0.5, at.y) + corner * size;
  gl_Position = vec4(spot.x * 2.0 - 1.0, 1.0 - spot.y * 2.0, 0.0, 1.0);
  tint = (kind & ${POINT_FAILED}u) != 0u ? palette[${FAILED_TINT}] : palette[kind & 7u];
}`;

const pointFragment = `#version 300 es
precision highp float;
flat in vec3 tint;
out vec4 colour;
void main() {
  colour = vec4(tint, 1.0);
}`;

function program(gl: WebGL2RenderingContext, vertex: string, fragment: string): WebGLProgram {
  const made = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, vertex],
    [gl.FRAGMENT_SHADER, fragment],
  ] as const) {
    const shader = gl.createShader(kind);
    if (!shader) throw new Error('WebGL2 makes no shader');
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
    gl.deleteShader(shader);
  }
  gl.linkProgram(made);
  if (gl.getProgramParameter(made, gl.LINK_STATUS) !== true)
    throw new Error(
      `WebGL2 refused a shader: ${gl.getProgramInfoLog(made) ?? 'it does not say why'}`,
    );
  return made;
}

function texture(gl: WebGL2RenderingContext): WebGLTexture {
  const made = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, made);
  for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER])
    gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
  for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T])
    gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
  return made;
}

/** Whether the processor computes what a graphics card would: each frame of the page would wait for that. */
function isMadeUp(gl: WebGL2RenderingContext): boolean {
  const names = gl.getExtension('WEBGL_debug_renderer_info');
  const name: unknown = names && gl.getParameter(names.UNMASKED_RENDERER_WEBGL);
  return typeof name === 'string' && /swiftshader|llvmpipe|softpipe|software/i.test(name);
}

export class GlMap implements MapDrawer {
  readonly #gl: WebGL2RenderingContext;
  readonly #grid: WebGLProgram;
  readonly #points: WebGLProgram;
  readonly #cells: WebGLTexture;
  readonly #lane: WebGLTexture;
  readonly #places: WebGLBuffer;
  readonly #kinds: WebGLBuffer;
  readonly #instances: WebGLVertexArrayObject;
  readonly #nothing: WebGLVertexArrayObject;
  #result: MapResult | null = null;

  /** Throws where WebGL2 is there but refuses its work. */
  private constructor(gl: WebGL2RenderingContext) {
    this.#gl = gl;
    this.#grid = program(gl, gridVertex, gridFragment);
    this.#points = program(gl, pointVertex, pointFragment);
    this.#cells = texture(gl);
    this.#lane = texture(gl);
    this.#places = gl.createBuffer();
    this.#kinds = gl.createBuffer();
    this.#instances = gl.createVertexArray();
    this.#nothing = gl.createVertexArray();
    gl.bindVertexArray(this.#instances);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#places);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 3, gl.FLOAT, false, 0, 0);
    gl.vertexAttribDivisor(0, 1);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#kinds);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribIPointer(1, 1, gl.UNSIGNED_BYTE, 0, 0);
    gl.vertexAttribDivisor(1, 1);
  }

  /** Null where no graphics card does WebGL2. */
  static create(canvas: HTMLCanvasElement): GlMap | null {
    const gl = canvas.getContext('webgl2', {
      antialias: false,
      preserveDrawingBuffer: false,
      failIfMajorPerformanceCaveat: true,
    });
    if (!gl || !isMadeUp(gl)) return gl && new GlMap(gl);
    gl.getExtension('WEBGL_lose_context')?.loseContext();
    return null;
  }

  setResult(result: MapResult): void {
    const gl = this.#gl;
    this.#result = result;
    const { parameters, cells, lane, points, kinds } = result;
    if (cells && lane) {
      this.#upload(this.#cells, parameters.columns, parameters.rows, cells);
      this.#upload(this.#lane, parameters.columns, 1, lane);
      return;
    }
    const places = new Float32Array(kinds.length * 3);
    const perNs = 1 / (parameters.timeTo - parameters.timeFrom);
    const perSector = 1 / (parameters.sectorTo - parameters.sectorFrom);
    for (let index = 0; index < kinds.length; index++) {
      const at = index * point.size;
      places[index * 3] = ((points?.[at + point.time] ?? 0) - parameters.timeFrom) * perNs;
      places[index * 3 + 1] =
        ((points?.[at + point.sector] ?? 0) - parameters.sectorFrom) * perSector;
      places[index * 3 + 2] = (points?.[at + point.sectors] ?? 0) * perSector;
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#places);
    gl.bufferData(gl.ARRAY_BUFFER, places, gl.STREAM_DRAW);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#kinds);
    gl.bufferData(gl.ARRAY_BUFFER, kinds, gl.STREAM_DRAW);
  }

  draw(size: Size, scale: number, plane: Plane, colours: Colours): void {
    const gl = this.#gl;
    gl.viewport(0, 0, size.width * scale, size.height * scale);
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    const result = this.#result;
    if (!result) return;
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    const { plot, lane } = layoutOf(size);
    const { timeFrom, timeTo, sectorFrom, sectorTo } = result.parameters;
    const part = [
      (plane.timeFrom - timeFrom) / (timeTo - timeFrom),
      (plane.sectorFrom - sectorFrom) / (sectorTo - sectorFrom),
      (plane.timeTo - plane.timeFrom) / (timeTo - timeFrom),
      (plane.sectorTo - plane.sectorFrom) / (sectorTo - sectorFrom),
    ] as const;
    const palette = paletteOf(colours);
    const areas = [
      { area: plot, isLane: false },
      { area: lane, isLane: true },
    ];
    for (const { area, isLane } of areas) {
      this.#enter(area, size, scale);
      const program = result.cells ? this.#grid : this.#points;
      gl.useProgram(program);
      gl.uniform3fv(gl.getUniformLocation(program, 'palette'), palette);
      const partAt = gl.getUniformLocation(program, 'part');
      if (result.cells) {
        gl.bindVertexArray(this.#nothing);
        gl.bindTexture(gl.TEXTURE_2D, isLane ? this.#lane : this.#cells);
        // The lane has one row for all sectors.
        if (isLane) gl.uniform4f(partAt, part[0], 0, part[2], 0.5);
        else gl.uniform4f(partAt, ...part);
        gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
      } else {
        gl.bindVertexArray(this.#instances);
        gl.uniform4f(partAt, ...part);
        gl.uniform2f(
          gl.getUniformLocation(program, 'least'),
          POINT / area.width,
          POINT / area.height,
        );
        gl.uniform1i(gl.getUniformLocation(program, 'isLane'), isLane ? 1 : 0);
        gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, result.kinds.length);
      }
    }
  }

  /** Gives the graphics card back what it held, also before the canvas is collected. */
  close(): void {
    this.#gl.getExtension('WEBGL_lose_context')?.loseContext();
  }

  #enter({ left, top, width, height }: PlotArea, size: Size, scale: number): void {
    const gl = this.#gl;
    const box = [left, size.height - top - height, width, height].map((one) =>
      Math.round(one * scale),
    ) as [number, number, number, number];
    gl.viewport(...box);
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(...box);
  }

  #upload(target: WebGLTexture, columns: number, rows: number, data: Uint8Array): void {
    const gl = this.#gl;
    if (data.length !== columns * rows * CELL_BYTES)
      throw new RangeError(`${data.length} bytes are no ${columns} × ${rows} cells`);
    gl.bindTexture(gl.TEXTURE_2D, target);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, columns, rows, 0, gl.RGBA, gl.UNSIGNED_BYTE, data);
  }
}

/** The tints as shares of 1. */
const paletteOf = (colours: Colours): Float32Array =>
  Float32Array.from(tintsOf(colours).flatMap(channels), (value) => value / 255);
