/** The header of the table: sorting, and the columns' widths, order and presence. */
import { ContextMenu } from 'radix-ui';
import { useRef, useSyncExternalStore, type KeyboardEvent, type PointerEvent } from 'react';
import type { Column } from '../columns';
import { frameCounts, traceSession } from '../trace-client';
import { useTraceView } from '../view-state';
import {
  moveColumn,
  orderedColumns,
  resetColumns,
  resizeColumn,
  shiftColumn,
  shownColumns,
  toggleColumn,
  useColumnLayout,
} from './column-layout';
import { GRID_ID } from './names';

/** Largest first, then smallest first, then as they arrived. */
function sortBy(column: Column): void {
  const { sorting } = useTraceView.getState();
  const { sorting: by } = column;
  if (by === undefined) traceSession.sort(null);
  else if (sorting?.by !== by) traceSession.sort({ by, descending: true });
  else traceSession.sort(sorting.descending ? { by, descending: false } : null);
}

/** The edge that is dragged to make a column wider. */
function Edge({ id }: { readonly id: string }) {
  const drag = useRef<{ readonly x: number; readonly width: number } | null>(null);
  const begin = (event: PointerEvent<HTMLSpanElement>) => {
    const { currentTarget, pointerId, clientX } = event;
    event.stopPropagation();
    event.preventDefault();
    const width = currentTarget.parentElement?.getBoundingClientRect().width ?? 0;
    drag.current = { x: clientX, width };
    currentTarget.setPointerCapture(pointerId);
  };
  const move = ({ clientX }: PointerEvent) => {
    if (drag.current) resizeColumn(id, drag.current.width + clientX - drag.current.x);
  };
  const end = () => {
    drag.current = null;
  };
  return (
    <span
      className="column-edge"
      data-testid={`column-edge-${id}`}
      onPointerDown={begin}
      onPointerMove={move}
      onPointerUp={end}
      onPointerCancel={end}
      onClick={(event) => event.stopPropagation()}
    />
  );
}

/** Which way round, and how far it is while it is being made. */
function SortMark({ descending }: { readonly descending: boolean }) {
  const { sortProgress } = useSyncExternalStore(frameCounts.subscribe, frameCounts.snapshot);
  return (
    <span className="sort-mark">
      {descending ? ' ▼' : ' ▲'}
      {sortProgress !== null && (
        <span role="progressbar" aria-label="Sorting" aria-valuenow={percent(sortProgress)}>
          {` ${percent(sortProgress)} %`}
        </span>
      )}
    </span>
  );
}

const percent = (share: number): number => Math.floor(100 * share);

function Head({ column, index }: { readonly column: Column; readonly index: number }) {
  const sorting = useTraceView((state) => state.sorting);
  const isSorted = column.sorting !== undefined && sorting?.by === column.sorting;
  const order = isSorted ? (sorting.descending ? 'descending' : 'ascending') : 'none';
  const keyPressed = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    // They mean something else to the rows.
    event.stopPropagation();
    sortBy(column);
  };
  return (
    <ContextMenu.Root modal={false}>
      <ContextMenu.Trigger asChild>
        <div
          role="columnheader"
          aria-colindex={index + 1}
          aria-sort={column.sorting === undefined ? undefined : order}
          className={`trace-cell ${column.align}`}
          title={column.hint}
          data-column={column.id}
          data-sortable={column.sorting !== undefined}
          draggable
          tabIndex={0}
          onClick={() => {
            sortBy(column);
            // The next key is for the rows.
            document.getElementById(GRID_ID)?.focus();
          }}
          onKeyDown={keyPressed}
          onDragStart={(event) => {
            event.dataTransfer.setData('text/x-bioscope-column', column.id);
            event.dataTransfer.effectAllowed = 'move';
          }}
          onDragOver={(event) => {
            if (!event.dataTransfer.types.includes('text/x-bioscope-column')) return;
            event.preventDefault();
            event.stopPropagation();
          }}
          onDrop={(event) => {
            const id = event.dataTransfer.getData('text/x-bioscope-column');
            if (id === '') return;
            event.preventDefault();
            event.stopPropagation();
            if (id !== column.id) moveColumn(id, column.id);
          }}
        >
          {column.title}
          {isSorted && <SortMark descending={sorting.descending} />}
          <Edge id={column.id} />
        </div>
      </ContextMenu.Trigger>
      <HeadMenu column={column} />
    </ContextMenu.Root>
  );
}

function HeadMenu({ column }: { readonly column: Column }) {
  const layout = useColumnLayout();
  const { id, sorting: by } = column;
  return (
    <ContextMenu.Portal>
      <ContextMenu.Content className="menu">
        {by !== undefined && (
          <>
            <ContextMenu.Item
              className="menu-item"
              onSelect={() => traceSession.sort({ by, descending: true })}
            >
              Largest first
            </ContextMenu.Item>
            <ContextMenu.Item
              className="menu-item"
              onSelect={() => traceSession.sort({ by, descending: false })}
            >
              Smallest first
            </ContextMenu.Item>
          </>
        )}
        <ContextMenu.Item className="menu-item" onSelect={() => traceSession.sort(null)}>
          In the order of arrival
        </ContextMenu.Item>
        <ContextMenu.Separator className="menu-line" />
        <ContextMenu.Item className="menu-item" onSelect={() => shiftColumn(id, -1)}>
          Move left
        </ContextMenu.Item>
        <ContextMenu.Item className="menu-item" onSelect={() => shiftColumn(id, 1)}>
          Move right
        </ContextMenu.Item>
        <ContextMenu.Item className="menu-item" onSelect={resetColumns}>
          All columns as they were
        </ContextMenu.Item>
        <ContextMenu.Separator className="menu-line" />
        {orderedColumns(layout).map((one) => (
          <ContextMenu.CheckboxItem
            key={one.id}
            className="menu-item"
            checked={!layout.hidden.includes(one.id)}
            onCheckedChange={() => toggleColumn(one.id)}
            onSelect={(event) => event.preventDefault()}
          >
            {one.title}
            <ContextMenu.ItemIndicator>✓</ContextMenu.ItemIndicator>
          </ContextMenu.CheckboxItem>
        ))}
      </ContextMenu.Content>
    </ContextMenu.Portal>
  );
}

export function TableHead() {
  const layout = useColumnLayout();
  return (
    <div className="trace-head" role="rowgroup">
      <div className="trace-columns" role="row" aria-rowindex={1}>
        {shownColumns(layout).map((column, index) => (
          <Head key={column.id} column={column} index={index} />
        ))}
      </div>
    </div>
  );
}
