/** The table of requests. React makes the frame around it once; TableView draws the rows. */
import { ContextMenu } from 'radix-ui';
import { useEffect, useRef, type KeyboardEvent } from 'react';
import { copyText } from '../../widgets/copy';
import { formatCount } from '../../widgets/numbers';
import { useSelectedDisk } from '../../disks/disk-state';
import { useShell } from '../../shell/shell-state';
import { columns } from '../columns';
import { RowView } from '../row-view';
import { onDraw, traceSession } from '../trace-client';
import type { Movement } from '../trace-session';
import { useTraceView } from '../view-state';
import { TableView } from './table-view';
import './table.css';

const movements: Readonly<Record<string, Movement>> = {
  ArrowUp: 'up',
  ArrowDown: 'down',
  PageUp: 'page-up',
  PageDown: 'page-down',
  Home: 'home',
  End: 'end',
};

/** The element that takes the table's keys, for those who give it the focus back. */
export const GRID_ID = 'trace-grid';

/** The selected row as text, its columns separated by tabs. */
function copySelectedRow(): void {
  const { selected } = useTraceView.getState();
  const { frame, selectedSequence } = traceSession;
  if (!selected || !frame || selectedSequence === null) return;
  const row = new RowView();
  row.open(frame);
  for (let index = 0; index < frame.count; index++) {
    if (row.at(index).sequence !== selectedSequence) continue;
    const text = columns.map((column) => column.text(row)).join('\t');
    void copyText(text, `request ${formatCount(selectedSequence)}`);
    return;
  }
}

/** A command that reads the same bytes from the device again. */
function readAgain(device: string, sector: bigint, length: bigint): string {
  const count = (length + 511n) / 512n;
  return `dd if=${device} bs=512 skip=${sector} count=${count} iflag=direct status=none | xxd`;
}

function RowMenu() {
  const selected = useTraceView((state) => state.selected);
  const device = useSelectedDisk()?.device ?? null;
  if (!selected) return null;
  const { sequence, sector, length } = selected.record;
  const last = sector + (length + 511n) / 512n - 1n;
  const hasSectors = length > 0n;
  return (
    <ContextMenu.Portal>
      <ContextMenu.Content className="menu">
        <ContextMenu.Item
          className="menu-item"
          onSelect={() => useShell.getState().setInspectorOpen(true)}
        >
          Inspect request {formatCount(sequence)} <kbd>Enter</kbd>
        </ContextMenu.Item>
        <ContextMenu.Item className="menu-item" onSelect={copySelectedRow}>
          Copy row <kbd>Ctrl C</kbd>
        </ContextMenu.Item>
        {hasSectors && (
          <>
            <ContextMenu.Item
              className="menu-item"
              onSelect={() => void copyText(String(sector), `sector ${sector}`)}
            >
              Copy sector
            </ContextMenu.Item>
            {device !== null && (
              <ContextMenu.Item
                className="menu-item"
                onSelect={() => void copyText(readAgain(device, sector, length), 'the command')}
              >
                Copy a command that reads these sectors
              </ContextMenu.Item>
            )}
            <ContextMenu.Separator className="menu-line" />
            <ContextMenu.Item
              className="menu-item"
              onSelect={() => traceSession.setFilterText(`sector in ${sector}..${last}`)}
            >
              Show only requests to these sectors
            </ContextMenu.Item>
          </>
        )}
      </ContextMenu.Content>
    </ContextMenu.Portal>
  );
}

function keyPressed(event: KeyboardEvent): void {
  const movement = movements[event.key];
  const hasModifier = event.ctrlKey || event.altKey || event.metaKey;
  if (movement && !hasModifier) {
    event.preventDefault();
    traceSession.move(movement);
  } else if (event.key === 'Enter') {
    event.preventDefault();
    if (useTraceView.getState().selected) useShell.getState().enterInspector();
  } else if (event.key === 'c' && event.ctrlKey && window.getSelection()?.isCollapsed !== false) {
    copySelectedRow();
  } else if (event.key === ' ' && !hasModifier) {
    event.preventDefault();
    traceSession.pause(!useTraceView.getState().paused);
  }
}

export function TraceTable() {
  const grid = useRef<HTMLDivElement>(null);
  const body = useRef<HTMLDivElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const view = useRef<TableView | null>(null);
  const following = useTraceView((state) => state.following);
  const disk = useTraceView((state) => state.disk);

  useEffect(() => {
    if (!grid.current || !body.current || !scroller.current) return;
    const table = new TableView(traceSession, grid.current, body.current, scroller.current);
    view.current = table;
    const stop = onDraw(() => table.draw());
    return () => {
      stop();
      table.dispose();
      view.current = null;
    };
  }, []);

  useEffect(() => {
    view.current?.forget();
  }, [disk]);

  const selectUnder = (target: EventTarget | null): boolean => {
    const ordinal = view.current?.ordinalAt(target) ?? null;
    if (ordinal === null) return false;
    traceSession.selectAt(ordinal);
    view.current?.draw();
    return true;
  };

  return (
    <div className="trace-place">
      <ContextMenu.Root modal={false}>
        <ContextMenu.Trigger asChild>
          <div
            ref={grid}
            id={GRID_ID}
            className="trace-grid"
            role="grid"
            aria-label="Requests"
            aria-readonly="true"
            aria-colcount={columns.length}
            tabIndex={0}
            data-testid="trace-grid"
            data-following={following}
            onKeyDown={keyPressed}
          >
            <div className="trace-head" role="rowgroup">
              <div className="trace-columns" role="row" aria-rowindex={1}>
                {columns.map((column, index) => (
                  <div
                    key={column.id}
                    role="columnheader"
                    aria-colindex={index + 1}
                    className={`trace-cell ${column.align}`}
                    title={column.hint}
                  >
                    {column.title}
                  </div>
                ))}
              </div>
            </div>
            <div
              ref={body}
              id="trace-body"
              className="trace-body"
              role="rowgroup"
              onPointerDown={(event) => {
                if (event.button === 0) selectUnder(event.target);
              }}
              onDoubleClick={() => useShell.getState().setInspectorOpen(true)}
              onContextMenu={(event) => {
                if (!selectUnder(event.target)) event.preventDefault();
              }}
            />
          </div>
        </ContextMenu.Trigger>
        <RowMenu />
      </ContextMenu.Root>
      <div ref={scroller} className="trace-scroller" />
    </div>
  );
}
