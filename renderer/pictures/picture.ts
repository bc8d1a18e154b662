/** A picture: how it is drawn, and the numbers behind it. One file a picture. */
import type { Colours } from './colours';
import type { Size, Surface } from './surface';

export interface Picture<Result> {
  draw(surface: Surface, size: Size, result: Result, colours: Colours): void;
  /** The numbers, a row each; the first row is the names of the columns. */
  rows(result: Result): readonly (readonly (string | number)[])[];
}

/** Where the data lies in a picture: the rest is labels. */
export interface PlotArea {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}
