/** What can be done with the row under the pointer. */
import { ContextMenu } from 'radix-ui';
import { useSelectedDisk } from '../../disks/disk-state';
import { useShell } from '../../shell/shell-state';
import { copyText } from '../../widgets/copy';
import { formatCount } from '../../widgets/numbers';
import { noteOf, useMarks } from '../marks';
import { traceSession } from '../trace-client';
import { useTraceView } from '../view-state';
import { askForNote } from './ask-line';
import { shownColumns, useColumnLayout } from './column-layout';
import type { Cell } from './table-view';
import { copyRows, goToPartner, rowOf, toggleMark } from './table-actions';

/** A command that reads the same bytes from the device again. */
function readAgain(device: string, sector: bigint, length: bigint): string {
  const count = (length + 511n) / 512n;
  return `dd if=${device} bs=512 skip=${sector} count=${count} iflag=direct status=none | xxd`;
}

/**
 * Filters by the value of the cell that was clicked, and by its opposite; by
 * the values of all cells that are shown when none was clicked.
 */
function ValueItems({ cell, sequence }: { readonly cell: Cell | null; readonly sequence: number }) {
  const shown = shownColumns(useColumnLayout());
  const row = rowOf(cell?.sequence ?? sequence);
  const wanted = cell ? shown.filter(({ id }) => id === cell.column) : shown;
  const conditions = wanted.flatMap((column) => (row && column.conditions?.(row)) ?? []);
  if (conditions.length === 0) return null;
  return (
    <>
      <ContextMenu.Separator className="menu-line" />
      {conditions
        .flatMap((one) => (cell ? [one, `!(${one})`] : [one]))
        .map((condition) => (
          <ContextMenu.Item
            key={condition}
            className="menu-item"
            onSelect={() => traceSession.addToFilter(condition)}
          >
            <span>
              Filter: <code>{condition}</code>
            </span>
          </ContextMenu.Item>
        ))}
    </>
  );
}

/** `cell`: the one that was clicked; null when the keyboard opened it. */
export function RowMenu({ cell }: { readonly cell: Cell | null }) {
  const selected = useTraceView((state) => state.selected);
  const device = useSelectedDisk()?.device ?? null;
  useMarks();
  if (!selected) return null;
  const { sequence, sector, length } = selected.record;
  const last = sector + (length + 511n) / 512n - 1n;
  const hasSectors = length > 0n;
  const isMarked = noteOf(Number(sequence)) !== null;
  const what = traceSession.range ? 'rows' : 'row';
  return (
    <ContextMenu.Portal>
      <ContextMenu.Content className="menu">
        <ContextMenu.Item
          className="menu-item"
          onSelect={() => useShell.getState().setInspectorOpen(true)}
        >
          Inspect request {formatCount(sequence)} <kbd>Enter</kbd>
        </ContextMenu.Item>
        <ContextMenu.Item className="menu-item" onSelect={() => void copyRows('text')}>
          Copy {what} <kbd>Ctrl C</kbd>
        </ContextMenu.Item>
        <ContextMenu.Item className="menu-item" onSelect={() => void copyRows('csv')}>
          Copy {what} as CSV <kbd>Ctrl Shift C</kbd>
        </ContextMenu.Item>
        <ContextMenu.Item className="menu-item" onSelect={toggleMark}>
          {isMarked ? 'Take the mark away' : 'Mark'} <kbd>M</kbd>
        </ContextMenu.Item>
        <ContextMenu.Item className="menu-item" onSelect={askForNote}>
          Note… <kbd>N</kbd>
        </ContextMenu.Item>
        <ValueItems cell={cell} sequence={Number(sequence)} />
        {hasSectors && (
          <>
            <ContextMenu.Separator className="menu-line" />
            <ContextMenu.Item
              className="menu-item"
              onSelect={() => traceSession.setFilterText(`sector in ${sector}..${last}`)}
            >
              Show only requests to these sectors
            </ContextMenu.Item>
            <ContextMenu.Item className="menu-item" onSelect={() => void goToPartner('previous')}>
              Previous access to these sectors <kbd>[</kbd>
            </ContextMenu.Item>
            <ContextMenu.Item className="menu-item" onSelect={() => void goToPartner('next')}>
              Next access to these sectors <kbd>]</kbd>
            </ContextMenu.Item>
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
          </>
        )}
      </ContextMenu.Content>
    </ContextMenu.Portal>
  );
}
