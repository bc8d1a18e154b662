/** The table of requests. React makes the frame around it once; TableView draws the rows. */
import { ContextMenu } from 'radix-ui';
import { useEffect, useRef, useState, type KeyboardEvent, type RefObject } from 'react';
import { useDisks } from '../../disks/disk-state';
import { useShell } from '../../shell/shell-state';
import { markedSequences, openMarks } from '../marks';
import { onDraw, tellMarks, traceSession } from '../trace-client';
import type { Movement } from '../trace-session';
import { useTraceView } from '../view-state';
import { AskLine, askForNote, askForPlace } from './ask-line';
import { shownColumns, useColumnLayout } from './column-layout';
import { GRID_ID } from './names';
import { RowMenu } from './row-menu';
import { copyRows, goToGap, goToPartner, toggleMark } from './table-actions';
import { TableHead } from './table-head';
import { TableView, type Cell, type Point } from './table-view';
import './table.css';

const movements: Readonly<Record<string, Movement>> = {
  ArrowUp: 'up',
  ArrowDown: 'down',
  PageUp: 'page-up',
  PageDown: 'page-down',
  Home: 'home',
  End: 'end',
};

/** Keys without Ctrl, Alt or Meta. */
const plainKeys: Readonly<Record<string, () => void>> = {
  ' ': () => traceSession.pause(!useTraceView.getState().paused),
  m: toggleMark,
  n: askForNote,
  '[': () => void goToPartner('previous'),
  ']': () => void goToPartner('next'),
  g: () => goToGap(1),
  G: () => goToGap(-1),
};

/** Opens the menu of the row that is selected, where that is seen. */
function openRowMenu(view: TableView | null): void {
  const row = view?.selectedElement();
  if (!row) return;
  const { left, bottom } = row.getBoundingClientRect();
  // The last line of the row: below it is the next one.
  const place = { clientX: Math.max(left, 0), clientY: bottom - 1 };
  row.dispatchEvent(new MouseEvent('contextmenu', { bubbles: true, cancelable: true, ...place }));
}

function keyPressed(event: KeyboardEvent, view: TableView | null): void {
  const { key, ctrlKey, shiftKey, target, currentTarget } = event;
  // Keys of the menus come here as well, and are theirs.
  if (!(target instanceof Node && currentTarget.contains(target))) return;
  const movement = movements[key];
  const hasModifier = ctrlKey || event.altKey || event.metaKey;
  const plain = plainKeys[key];
  if (target === currentTarget && (key === 'ContextMenu' || (key === 'F10' && shiftKey))) {
    event.preventDefault();
    openRowMenu(view);
  } else if (movement && !hasModifier) {
    event.preventDefault();
    traceSession.move(movement, shiftKey);
  } else if (key === 'Enter') {
    event.preventDefault();
    if (useTraceView.getState().selected) useShell.getState().enterInspector();
  } else if (key.toLowerCase() === 'c' && ctrlKey && window.getSelection()?.isCollapsed !== false) {
    void copyRows(shiftKey ? 'csv' : 'text');
  } else if (key === 'g' && ctrlKey) {
    event.preventDefault();
    askForPlace();
  } else if (plain && !hasModifier) {
    event.preventDefault();
    plain();
  }
}

/** The marks of the trace that is looked at, once it is known which one that is. */
function followMarks(): void {
  const { frame } = traceSession;
  const disk = useDisks.getState().disks.find(({ id }) => id === frame?.disk);
  if (!frame || !disk) return;
  if (openMarks(disk, frame.epochRealtimeNs)) tellMarks(disk.id, markedSequences());
}

/** Selects the row at a place; whether there is one that has not left. */
function selectUnder(
  { current: view }: RefObject<TableView | null>,
  point: Point,
  extend: boolean,
): boolean {
  const ordinal = view?.ordinalAt(point) ?? null;
  if (ordinal === null) return false;
  const isSelected = traceSession.selectAt(ordinal, extend);
  view?.draw();
  return isSelected;
}

export function TraceTable() {
  const grid = useRef<HTMLDivElement>(null);
  const body = useRef<HTMLDivElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const view = useRef<TableView | null>(null);
  const [cell, setCell] = useState<Cell | null>(null);
  const following = useTraceView((state) => state.following);
  const columnCount = useColumnLayout((layout) => shownColumns(layout).length);

  useEffect(() => {
    if (!grid.current || !body.current || !scroller.current) return;
    const table = new TableView(traceSession, grid.current, body.current, scroller.current);
    view.current = table;
    const stop = onDraw(() => {
      followMarks();
      table.draw();
    });
    return () => {
      stop();
      table.dispose();
      view.current = null;
    };
  }, []);

  return (
    <div className="trace-place">
      <div
        ref={grid}
        id={GRID_ID}
        className="trace-grid"
        role="grid"
        aria-label="Requests"
        aria-readonly="true"
        aria-multiselectable="true"
        aria-colcount={columnCount}
        tabIndex={0}
        data-testid="trace-grid"
        data-following={following}
        onKeyDown={(event) => keyPressed(event, view.current)}
      >
        <TableHead />
        <ContextMenu.Root modal={false}>
          <ContextMenu.Trigger asChild>
            <div
              ref={body}
              id="trace-body"
              className="trace-body"
              role="rowgroup"
              onPointerDown={(event) => {
                if (event.button === 0) selectUnder(view, event, event.shiftKey);
              }}
              onDoubleClick={() => useShell.getState().setInspectorOpen(true)}
              onContextMenu={(event) => {
                // The keyboard opens it for a row, the pointer for a cell.
                const isRow = event.target instanceof Element && event.target.role === 'row';
                setCell(isRow ? null : (view.current?.cellAt(event) ?? null));
                // A range is left as it is, so that it can be copied.
                const keeps = view.current?.isInRange(event) === true;
                if (!keeps && !selectUnder(view, event, false)) event.preventDefault();
              }}
            />
          </ContextMenu.Trigger>
          <RowMenu cell={cell} />
        </ContextMenu.Root>
      </div>
      <AskLine />
      <div ref={scroller} className="trace-scroller" />
    </div>
  );
}
