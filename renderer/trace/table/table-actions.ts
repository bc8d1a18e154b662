/** What can be done with rows: copied, marked, gone to. */
import type { DiskId } from '../../../app/contract/units';
import { RECORD_BYTES } from '../../../app/contract/trace';
import { copyText } from '../../widgets/copy';
import { formatCount } from '../../widgets/numbers';
import { showToast } from '../../widgets/toast';
import { markedSequences, noteOf, setNote } from '../marks';
import { RowView } from '../row-view';
import {
  ask,
  partners,
  requestDraw,
  tellMarks,
  traceSession,
  type Partners,
} from '../trace-client';
import { useTraceView } from '../view-state';
import { shownColumns, toggleColumn, useColumnLayout } from './column-layout';
import { rowBefore, rowBehindGap } from './gap-steps';

export type CopyForm = 'text' | 'csv';

/** The most rows copied at once: what fits a clipboard (8 MiB). */
const MOST_COPIED = 60_000;

/** A row seen now, by its sequence. The view is moved by the next call. */
export function rowOf(sequence: number): RowView | null {
  const { frame } = traceSession;
  if (!frame) return null;
  const row = new RowView();
  row.open(frame);
  for (let index = 0; index < frame.count; index++) {
    if (row.at(index).sequence === sequence) return row;
  }
  return null;
}

/** Quoted where commas, quotes or line ends ask for it (RFC 4180). */
const csvCell = (text: string): string =>
  /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

function tableOf(records: ArrayBuffer, epochMonotonicNs: bigint, form: CopyForm): string {
  const columns = shownColumns(useColumnLayout.getState());
  const row = new RowView();
  row.openRecords(records, epochMonotonicNs);
  const lines: string[] = [];
  if (form === 'csv') lines.push(columns.map(({ title }) => csvCell(title)).join(','));
  for (let index = 0; index < records.byteLength / RECORD_BYTES; index++) {
    const cells = columns.map((column) => column.text(row.at(index)));
    lines.push(form === 'csv' ? cells.map(csvCell).join(',') : cells.join('\t'));
  }
  return lines.join('\n');
}

/** Copies the selected rows as the columns are shown: tabs between them, or as CSV with a header. */
export async function copyRows(form: CopyForm): Promise<void> {
  const { selectedSequence, range } = traceSession;
  if (selectedSequence === null) return;
  const ends = range ?? { first: selectedSequence, last: selectedSequence };
  const first = await ask({ kind: 'locate', sequence: ends.first });
  const last = await ask({ kind: 'locate', sequence: ends.last });
  if (first.ordinal === null || last.ordinal === null) return;
  const rows = last.ordinal - first.ordinal + 1;
  if (rows > MOST_COPIED) {
    showToast(`At most ${formatCount(MOST_COPIED)} rows can be copied at once`, true);
    return;
  }
  const { ordinal: from } = first;
  const { records, epochMonotonicNs } = await ask({ kind: 'records', from, to: from + rows });
  const what =
    rows === 1 ? `request ${formatCount(selectedSequence)}` : `${formatCount(rows)} rows`;
  await copyText(
    tableOf(records, epochMonotonicNs, form),
    form === 'csv' ? `${what} as CSV` : what,
  );
}

/** Shows and selects the request `sequence`, or the one nearest to it that is in the list. */
export async function goToSequence(sequence: number): Promise<void> {
  const found = await ask({ kind: 'locate', sequence });
  if (found.ordinal === null) showToast('There are no rows to go to', true);
  else {
    if (found.sequence !== sequence) {
      const nearest = formatCount(found.sequence);
      showToast(`Request ${formatCount(sequence)} is not in the list; ${nearest} is the nearest`);
    }
    traceSession.goTo(found.ordinal);
  }
}

/** Shows and selects the first request that arrived `time` ns after the trace began, or later. */
export async function goToTime(time: number): Promise<void> {
  const { ordinal } = await ask({ kind: 'locate', time });
  if (ordinal === null) showToast('There are no rows to go to', true);
  else traceSession.goTo(ordinal);
}

/** Goes to the access to the same sectors before or after the selected one. */
export async function goToPartner(which: keyof Partners): Promise<void> {
  const { selected } = useTraceView.getState();
  if (!selected) return;
  const partner = (await partners(selected.disk, selected.record.sequence))[which];
  if (partner) await goToSequence(Number(partner.sequence));
  else {
    const side = which.startsWith('previous') ? 'earlier' : 'later';
    showToast(`There is no ${side} access to these sectors among the requests kept`);
  }
}

/** Goes to the next (1) or the previous (-1) time in which nobody served: to the request behind it. */
export function goToGap(direction: 1 | -1): void {
  const { frame, selectedOrdinal, top } = traceSession;
  const lines = (frame?.gaps ?? []).flatMap(({ ordinal }) => (ordinal === null ? [] : [ordinal]));
  const from = selectedOrdinal ?? Math.floor(top);
  const target = rowBehindGap(lines, from, direction);
  if (target === null) {
    const side = direction > 0 ? 'later' : 'earlier';
    showToast(
      frame?.sorting
        ? 'Times in which no daemon served are shown in the order of arrival'
        : `There is no ${side} time in which no daemon served`,
    );
    return;
  }
  const end = frame?.end ?? 0;
  traceSession.goTo(target < end ? target : rowBefore(lines, end));
}

/** Writes a note on a request; null takes the mark away. */
export function changeNote(disk: DiskId, sequence: number, note: string | null): void {
  setNote(sequence, note);
  tellMarks(disk, markedSequences());
  const { hidden } = useColumnLayout.getState();
  if (note && hidden.includes('note')) toggleColumn('note');
  requestDraw();
}

export function toggleMark(): void {
  const { selected } = useTraceView.getState();
  if (!selected) return;
  const sequence = Number(selected.record.sequence);
  changeNote(selected.disk, sequence, noteOf(sequence) === null ? '' : null);
}
