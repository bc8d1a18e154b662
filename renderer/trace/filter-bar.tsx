/** The filter: kinds of operation, a range of sectors, and how many rows pass. */
import { useSyncExternalStore } from 'react';
import type { OperationFamily } from '../../app/contract/trace';
import { formatCount } from '../widgets/numbers';
import { GRID_ID } from './table/trace-table';
import { frameCounts, traceSession } from './trace-client';
import { useTraceView } from './view-state';

const families: readonly OperationFamily[] = ['read', 'write', 'flush', 'discard', 'zeroes'];

/** The keys that lead from the sector field to the rows it left. */
const keysToRows: readonly string[] = ['Enter', 'ArrowDown'];

/** `id` of the sector field, for the keyboard's `/`. */
export const FILTER_FIELD_ID = 'filter-sectors';

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

export function FilterBar() {
  const text = useTraceView((state) => state.sectorsText);
  const problem = useTraceView((state) => state.sectorsProblem);
  const isFiltered = useTraceView(
    ({ families: chosen, sectors }) => chosen.length > 0 || sectors !== null,
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
      <div className="filter-field">
        <input
          id={FILTER_FIELD_ID}
          type="text"
          className="input data"
          aria-label="Sectors"
          aria-invalid={problem !== null}
          aria-describedby={problem ? 'filter-error' : undefined}
          placeholder="sectors 2048..4095"
          data-testid="filter-sectors"
          spellCheck={false}
          autoComplete="off"
          value={text}
          onChange={(event) => traceSession.setSectorsText(event.target.value)}
          onKeyDown={(event) => {
            if (!keysToRows.includes(event.key)) return;
            event.preventDefault();
            document.getElementById(GRID_ID)?.focus();
          }}
        />
        {problem && (
          <div id="filter-error" className="filter-error" role="alert" data-testid="filter-error">
            <code>
              {text.slice(0, problem.at)}
              <mark>{text.slice(problem.at, problem.at + problem.length) || ' '}</mark>
              {text.slice(problem.at + problem.length)}
            </code>
            {problem.message}
          </div>
        )}
      </div>
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
