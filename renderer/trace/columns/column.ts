/** What a column of the table is: one file each, listed in index.ts. */
import type { RowView } from '../row-view';
import type { Sorting } from '../worker/protocol';

export interface Column {
  /** `data-column` of its cells. */
  readonly id: string;
  readonly title: string;
  /** Said of the header on hover; '' for nothing. */
  readonly hint: string;
  /** A CSS grid track. */
  readonly width: string;
  readonly align: 'left' | 'right';
  /** Not shown until the user asks for it. */
  readonly isHidden?: boolean;
  /** What the rows are sorted by when its header is clicked. */
  readonly sorting?: Sorting['by'];
  /** Puts into a new cell what `draw` will fill. */
  readonly prepare?: (cell: HTMLElement) => void;
  /** Draws the row. Called for each visible row of each frame: cheap, and writes only what changed. */
  readonly draw: (cell: HTMLElement, row: RowView) => void;
  /** The value as copied text: exact, without separators. */
  readonly text: (row: RowView) => string;
  /** Conditions of the filter language that the row's value meets, the narrowest first. */
  readonly conditions?: (row: RowView) => readonly string[];
}

/** Sets a cell's text and its exact value on hover, if they differ from what is there. */
export function setText(cell: HTMLElement, text: string, exact = ''): void {
  if (cell.textContent !== text) cell.textContent = text;
  if (cell.title !== exact) cell.title = exact;
}
