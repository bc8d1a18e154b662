/** Which columns are shown, in which order and how wide: kept from one run to the next. */
import { create } from 'zustand';
import { readStored, writeStored } from '../../widgets/stored';
import { columns, type Column } from '../columns';

const NARROWEST = 36;
const WIDEST = 800;

interface ColumnLayout {
  /** Ids of all columns, left to right. */
  readonly order: readonly string[];
  readonly hidden: readonly string[];
  /** Pixels, of those the user has sized. */
  readonly widths: Readonly<Record<string, number>>;
}

const initial: ColumnLayout = {
  order: columns.map(({ id }) => id),
  hidden: columns.flatMap(({ id, isHidden }) => (isHidden === true ? [id] : [])),
  widths: {},
};

function isLayout(value: unknown): value is ColumnLayout {
  if (typeof value !== 'object' || value === null) return false;
  const { order, hidden, widths } = value as Partial<Record<keyof ColumnLayout, unknown>>;
  const isTexts = (one: unknown) => Array.isArray(one) && one.every((id) => typeof id === 'string');
  return (
    isTexts(order) &&
    isTexts(hidden) &&
    typeof widths === 'object' &&
    widths !== null &&
    Object.values(widths).every((width) => typeof width === 'number' && width >= NARROWEST)
  );
}

export const useColumnLayout = create<ColumnLayout>(() => readStored('columns', isLayout, initial));

useColumnLayout.subscribe((layout) => writeStored('columns', layout));

/** All columns in their order; those a newer version brings come last. */
export function orderedColumns({ order }: ColumnLayout): readonly Column[] {
  const known = order.flatMap((id) => columns.find((column) => column.id === id) ?? []);
  return [...known, ...columns.filter((column) => !known.includes(column))];
}

export const shownColumns = (layout: ColumnLayout): readonly Column[] =>
  orderedColumns(layout).filter(({ id }) => !layout.hidden.includes(id));

/** The CSS grid's tracks of the shown columns. */
export const gridTracks = (layout: ColumnLayout): string =>
  shownColumns(layout)
    .map(({ id, width }) => {
      const own = layout.widths[id];
      return own === undefined ? width : `${own}px`;
    })
    .join(' ');

export function resizeColumn(id: string, width: number): void {
  const pixels = Math.round(Math.max(NARROWEST, Math.min(WIDEST, width)));
  useColumnLayout.setState(({ widths }) => ({ widths: { ...widths, [id]: pixels } }));
}

/** Shows or hides a column; the last one stays. */
export function toggleColumn(id: string): void {
  useColumnLayout.setState((layout) => {
    const { hidden } = layout;
    if (hidden.includes(id)) return { hidden: hidden.filter((one) => one !== id) };
    return shownColumns(layout).length > 1 ? { hidden: [...hidden, id] } : {};
  });
}

/** Puts a column in the place of another one. */
export function moveColumn(id: string, to: string): void {
  useColumnLayout.setState((layout) => {
    const order = orderedColumns(layout).map((column) => column.id);
    const target = order.indexOf(to);
    const rest = order.filter((one) => one !== id);
    return { order: [...rest.slice(0, target), id, ...rest.slice(target)] };
  });
}

/** Moves a column by one place among those that are shown. */
export function shiftColumn(id: string, by: 1 | -1): void {
  const shown = shownColumns(useColumnLayout.getState());
  const neighbour = shown[shown.findIndex((column) => column.id === id) + by];
  if (neighbour) moveColumn(id, neighbour.id);
}

export function resetColumns(): void {
  useColumnLayout.setState(initial);
}
