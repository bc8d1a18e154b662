/** The filter: kinds of operation, the text, and how many rows pass. */
import { useSyncExternalStore } from 'react';
import type { OperationFamily } from '../../app/contract/trace';
import { useSelectedDisk } from '../disks/disk-state';
import { formatCount } from '../widgets/numbers';
import { FilterField } from './filter-field';
import { frameCounts, traceSession } from './trace-client';
import { useTraceView } from './view-state';

const families: readonly OperationFamily[] = ['read', 'write', 'flush', 'discard', 'zeroes'];

function FamilyButton({ family }: { readonly family: OperationFamily }) {
  const pressed = useTraceView((state) => state.families);
  const isPressed = pressed.includes(family);
  return (
    <button
      type="button"
      className="family"
      data-family={family}
      data-testid={`filter-${family}`}
      aria-pressed={isPressed}
      title={isPressed ? `Do not show only these` : `Show only ${family}`}
      onClick={() =>
        traceSession.setFamilies(
          isPressed ? pressed.filter((other) => other !== family) : [...pressed, family],
        )
      }
    >
      <span className="operation-mark" />
      {family}
    </button>
  );
}

/** How far the filter has looked into payloads, and what it cannot look into any more. */
function SearchState() {
  const { search } = useSyncExternalStore(frameCounts.subscribe, frameCounts.snapshot);
  const isCapture = useSelectedDisk()?.capture !== undefined;
  if (!search) return null;
  // A capture has them for ever, but so many are not asked for.
  const fate = isCapture ? 'not looked into: narrow the filter' : 'gone';
  return (
    <span className="filter-search" data-testid="filter-search">
      {search.open > 0 && `looking into ${formatCount(search.open)} payloads… `}
      {search.goneBefore > 0 &&
        `payloads before request ${formatCount(search.goneBefore)} are ${fate}`}
    </span>
  );
}

export function FilterBar() {
  const text = useTraceView((state) => state.filterText);
  const isFiltered = useTraceView(
    ({ families: chosen, filter }) => chosen.length > 0 || filter !== null,
  );
  const counts = useSyncExternalStore(frameCounts.subscribe, frameCounts.snapshot);
  return (
    <div
      className="filter-bar"
      role="search"
      aria-label="Filter"
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !(isFiltered || text !== '')) return;
        event.stopPropagation();
        traceSession.clearFilter();
      }}
    >
      <div className="families" role="group" aria-label="Operations">
        {families.map((family) => (
          <FamilyButton key={family} family={family} />
        ))}
      </div>
      <FilterField />
      <SearchState />
      <span className="filter-count data" data-testid="filter-count">
        {formatCount(counts.matched)} of {formatCount(counts.total)}
      </span>
      {isFiltered && (
        <button type="button" className="link" onClick={() => traceSession.clearFilter()}>
          Clear filter
        </button>
      )}
    </div>
  );
}
