/** Which colour and opacity requests have on the map, whatever draws it. */
import type { Colours } from '../colours';

/** Colours there are: the families' by their numbers, and in the last place the one of errors. */
const TINTS = 8;
export const FAILED_TINT = TINTS - 1;

/** Opacity of the cell that is least full: one request is seen, many are seen better. */
export const FAINTEST = 0.4;

/** "#rrggbb" by the numbers of the tints. */
export const tintsOf = ({ families, error }: Colours): readonly string[] =>
  Array.from({ length: TINTS }, (_, tint) => families[tint] ?? error);

/** The tint of a cell; below 0 where there is no request. `cell`: its CELL_BYTES as one word (little-endian). */
export const cellTint = (cell: number): number =>
  (cell & 0xff) !== 0 && (cell & 0xff_0000) !== 0 ? FAILED_TINT : (cell & 0xff) - 1;

/** Its opacity, by how full it is (1 … 255). */
export const cellOpacity = (cell: number): number =>
  FAINTEST + ((1 - FAINTEST) * ((cell >>> 8) & 0xff)) / 255;

/** Cells as words, of which those two are asked. */
export const cellWords = (cells: Uint8Array): Uint32Array =>
  new Uint32Array(cells.buffer, cells.byteOffset, cells.byteLength / 4);
