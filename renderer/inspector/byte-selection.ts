/** A selection of bytes with a fixed end and a moving one, as in an editor. */
export interface ByteSelection {
  /** The byte where it began. */
  readonly anchor: number;
  /** The byte that moves; the selection holds both ends. */
  readonly cursor: number;
}

export const selectionStart = ({ anchor, cursor }: ByteSelection): number =>
  Math.min(anchor, cursor);
/** The byte after the last selected one. */
export const selectionEnd = ({ anchor, cursor }: ByteSelection): number =>
  Math.max(anchor, cursor) + 1;

export interface SelectionKey {
  readonly key: string;
  readonly shiftKey: boolean;
  readonly ctrlKey: boolean;
}

const BYTES_IN_ROW = 16;

/** The selection after a key; null if the key moves nothing. `pageRows`: rows that fit. */
export function moveSelection(
  selection: ByteSelection | null,
  pressed: SelectionKey,
  total: number,
  pageRows: number,
): ByteSelection | null {
  if (total === 0) return null;
  const last = total - 1;
  if (pressed.ctrlKey && pressed.key === 'a') return { anchor: 0, cursor: last };
  const target = targetOf(selection?.cursor ?? 0, pressed, last, pageRows);
  if (target === null) return null;
  const cursor = selection === null ? target.begin : Math.max(0, Math.min(target.next, last));
  return { anchor: pressed.shiftKey && selection ? selection.anchor : cursor, cursor };
}

/** `next`: where the cursor goes; `begin`: where it starts when there was none. */
function targetOf(
  cursor: number,
  { key, ctrlKey }: SelectionKey,
  last: number,
  pageRows: number,
): { next: number; begin: number } | null {
  const rowStart = cursor - (cursor % BYTES_IN_ROW);
  const page = Math.max(1, pageRows) * BYTES_IN_ROW;
  switch (key) {
    case 'ArrowLeft':
      return { next: cursor - 1, begin: 0 };
    case 'ArrowRight':
      return { next: cursor + 1, begin: 0 };
    case 'ArrowUp':
      return { next: cursor < BYTES_IN_ROW ? cursor : cursor - BYTES_IN_ROW, begin: 0 };
    case 'ArrowDown':
      return { next: cursor + BYTES_IN_ROW > last ? cursor : cursor + BYTES_IN_ROW, begin: 0 };
    case 'PageUp':
      return { next: Math.max(cursor % BYTES_IN_ROW, cursor - page), begin: 0 };
    case 'PageDown':
      return { next: cursor + page, begin: 0 };
    case 'Home':
      return { next: ctrlKey ? 0 : rowStart, begin: 0 };
    case 'End':
      return { next: ctrlKey ? last : rowStart + BYTES_IN_ROW - 1, begin: last };
    default:
      return null;
  }
}
