/** What a column of the table is: one file each, listed in index.ts. */
import type { OperationFamily } from '../../../app/contract/trace';
import type { RowView } from '../row-view';
import type { Sorting } from '../worker/protocol';

/** The colour of a cell's text; a family's is its operation's. */
export type Tint = 'text' | 'dim' | 'error' | OperationFamily;

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
  /** The value as it is read. Called for each visible row of each frame: cheap. */
  readonly shown: (row: RowView) => string;
  /** The exact value, said on hover. */
  readonly exact?: (row: RowView) => string;
  /** 'text' without it. */
  readonly tint?: (row: RowView) => Tint;
  /** The tint's mark stands before the text. */
  readonly hasMark?: boolean;
  /** The words of the text are framed. */
  readonly hasChips?: boolean;
  /** How much of a bar behind the text is filled, 0 … 1; a slow one is drawn as trouble. */
  readonly bar?: (row: RowView) => number;
  readonly isSlow?: (row: RowView) => boolean;
  /** The value as copied text: exact, without separators. */
  readonly text: (row: RowView) => string;
  /** Conditions of the filter language that the row's value meets, the narrowest first. */
  readonly conditions?: (row: RowView) => readonly string[];
}
