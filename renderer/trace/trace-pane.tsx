/** The pane in the middle: filter and table of the selected disk, or how to get one. */
import { useEffect } from 'react';
import { useDisks, useSelectedDisk } from '../disks/disk-state';
import { EmptyDisks } from '../disks/empty-disks';
import { Pictures } from '../pictures/pictures';
import { FilterBar } from './filter-bar';
import { TraceTable } from './table/trace-table';
import { traceSession } from './trace-client';
import { EmptyTrace, TraceNotices } from './trace-notices';
import './trace.css';

export function TracePane() {
  const disk = useSelectedDisk();
  const isKnown = useDisks((state) => state.isKnown);
  const id = disk?.id ?? null;
  useEffect(() => {
    traceSession.selectDisk(id);
  }, [id]);
  if (!disk) return <main className="trace-pane">{isKnown && <EmptyDisks />}</main>;
  return (
    <main className="trace-pane">
      <Pictures disk={disk} />
      <FilterBar />
      <div className="trace-area">
        <TraceTable />
        <EmptyTrace disk={disk} />
        <TraceNotices />
      </div>
    </main>
  );
}
