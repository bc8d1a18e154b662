/** The tab of statistics: a table of operations, and facts about all of them. */
import { useEffect, useRef } from 'react';
import { families } from '../trace/worker/derived/rows';
import { NothingYet } from './nothing-yet';
import { offerSaving } from './saving';
import {
  columns,
  sizeWords,
  statisticsFacts,
  statisticsPicture,
  statisticsRows,
} from './statistics-picture';
import { useDerived } from './use-derived';

const SAVED_WIDTH = 1000;
const SAVED_HEIGHT = 280;

export function StatisticsTab() {
  const result = useDerived('statistics');
  const newest = useRef(result);
  useEffect(() => {
    newest.current = result;
  }, [result]);
  useEffect(
    () =>
      offerSaving(
        statisticsPicture,
        () =>
          newest.current && {
            result: newest.current,
            size: { width: SAVED_WIDTH, height: SAVED_HEIGHT },
          },
      ),
    [],
  );
  if (!result) return null;
  const rows = statisticsRows(result);
  if (rows.length === 0) return <NothingYet />;
  return (
    <div className="statistics" data-testid="statistics">
      <table className="data">
        <thead>
          <tr>
            {columns.map((name, index) => (
              <th key={`${name}${index}`} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ family, cells, hasFailed }) => (
            <tr key={family} data-family={families[family]}>
              {cells.map((cell, index) =>
                index === 0 ? (
                  <th key={columns[index]} scope="row" className="operation">
                    <span className="operation-mark" />
                    {cell}
                  </th>
                ) : (
                  <td
                    key={`${index}`}
                    className={hasFailed && index === cells.length - 1 ? 'failed' : undefined}
                  >
                    {cell}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
      <dl className="statistics-facts">
        {statisticsFacts(result).map(({ name, value, meaning }) => (
          <div key={name} title={meaning} data-testid="fact" data-fact={name}>
            <dt className="dim">{name}</dt>
            <dd className="data">{value}</dd>
          </div>
        ))}
      </dl>
      <p className="sizes">
        <span className="dim">Sizes</span>
        {sizeWords(result).map((words) => (
          <span key={words} className="chip">
            {words}
          </span>
        ))}
      </p>
    </div>
  );
}
