/** The table of requests. React makes the frame around it once; TableView draws the rows. */
import { ContextMenu } from 'radix-ui';
import { useEffect, useRef, useState, type KeyboardEvent } from 'react';
import { useShell } from '../../shell/shell-state';
import { markedSequences, openMarks } from '../marks';
import { onDraw, tellMarks, traceSession } from '../trace-client';
import type { Movement } from '../trace-session';
import { useTraceView } from '../view-state';
import { AskLine, askForNote, askForPlace } from './ask-line';
import { shownColumns, useColumnLayout } from './column-layout';
import { GRID_ID } from './names';
import { RowMenu } from './row-menu';
import { copyRows, goToPartner, toggleMark } from './table-actions';
import { TableHead } from './table-head';
import { TableView, type Cell } from './table-view';
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
};

/** Opens the menu of the row that is selected, where that is seen. */
function openRowMenu(grid: Element): void {
  const row = document.getElementById(grid.getAttribute('aria-activedescendant') ?? '');
  if (!row) return;
  const { left, bottom } = row.getBoundingClientRect();
  const place = { clientX: Math.max(left, 0), clientY: bottom };
  row.dispatchEvent(new MouseEvent('contextmenu', { bubbles: true, cancelable: true, ...place }));
}

function keyPressed(event: KeyboardEvent): void {
  const { key, ctrlKey, shiftKey, target, currentTarget } = event;
  // Keys of the menus come here as well, and are theirs.
  if (!(target instanceof Node && currentTarget.contains(target))) return;
  const movement = movements[key];
  const hasModifier = ctrlKey || event.altKey || event.metaKey;
  const plain = plainKeys[key];
  if (target === currentTarget && (key === 'ContextMenu' || (key === 'F10' && shiftKey))) {
    event.preventDefault();
    openRowMenu(currentTarget);
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
  if (!frame?.disk) return;
  if (openMarks(frame.disk, frame.epochRealtimeNs)) tellMarks(frame.disk, markedSequences());
}

export function TraceTable() {
  const grid = useRef<HTMLDivElement>(null);
  const body = useRef<HTMLDivElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const view = useRef<TableView | null>(null);
  const [cell, setCell] = useState<Cell | null>(null);
  const following = useTraceView((state) => state.following);
  const disk = useTraceView((state) => state.disk);
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

  useEffect(() => {
    view.current?.forget();
  }, [disk]);

  const selectUnder = (target: EventTarget | null, extend: boolean): boolean => {
    const ordinal = view.current?.ordinalAt(target) ?? null;
    if (ordinal === null) return false;
    traceSession.selectAt(ordinal, extend);
    view.current?.draw();
    return true;
  };

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
        onKeyDown={keyPressed}
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
                if (event.button === 0) selectUnder(event.target, event.shiftKey);
              }}
              onDoubleClick={() => useShell.getState().setInspectorOpen(true)}
              onContextMenu={(event) => {
                setCell(view.current?.cellAt(event.target) ?? null);
                // A range is left as it is, so that it can be copied.
                const keeps = view.current?.isSelected(event.target) === true;
                if (!keeps && !selectUnder(event.target, false)) event.preventDefault();
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
