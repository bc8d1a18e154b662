// Medians of pairs measured next to each other: on a shared machine the speed of
// one moment says nothing about another.

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return NaN;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The middle half of the values: how far apart the pairs were. */
export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  return [at(0.25), at(0.75)];
}

/** Gathers one number a round under a name; rounds are what pairs them. */
export class Samples {
  #rounds = new Map();

  add(name, round, value) {
    const values = this.#rounds.get(name) ?? new Map();
    values.set(round, value);
    this.#rounds.set(name, values);
  }

  has(name) {
    return this.#rounds.has(name);
  }

  median(name) {
    return median([...(this.#rounds.get(name)?.values() ?? [])]);
  }

  /** name / base of every round that has both. */
  ratios(name, base) {
    const bases = this.#rounds.get(base) ?? new Map();
    return [...(this.#rounds.get(name) ?? new Map())]
      .filter(([round]) => bases.has(round))
      .map(([round, value]) => value / bases.get(round));
  }
}

/**
 * One line of the report: a ratio and its goal.
 *
 * @param {{ what: string, samples: Samples, name: string, base: string, unit: string,
 *   atLeast?: number, atMost?: number, note?: string }} row
 */
export function ratioRow({ what, samples, name, base, unit, atLeast, atMost, note }) {
  const ratios = samples.ratios(name, base);
  if (ratios.length === 0) return null;
  const ratio = median(ratios);
  let verdict = '';
  if (atLeast !== undefined) verdict = ratio >= atLeast ? 'reached' : 'MISSED';
  if (atMost !== undefined) verdict = ratio <= atMost ? 'reached' : 'MISSED';
  const goal = atLeast !== undefined ? `≥ ${atLeast}` : atMost !== undefined ? `≤ ${atMost}` : '';
  const [low, high] = spread(ratios);
  return {
    what: note ? `${what} (${note})` : what,
    value: samples.median(name),
    base: samples.median(base),
    unit,
    ratio,
    low,
    high,
    pairs: ratios.length,
    goal,
    verdict,
  };
}

const number = (value) =>
  value >= 1000 ? String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ' ') : value.toPrecision(3);

/** The rows as a table for a terminal. */
export function table(rows) {
  const head = ['', 'measured', 'against', 'unit', 'ratio', 'middle half', 'pairs', 'goal', ''];
  const cells = rows.map((row) => [
    row.what,
    number(row.value),
    number(row.base),
    row.unit,
    row.ratio.toFixed(2),
    `${row.low.toFixed(2)} … ${row.high.toFixed(2)}`,
    String(row.pairs),
    row.goal,
    row.verdict,
  ]);
  const widths = head.map((title, i) =>
    Math.max(title.length, ...cells.map((row) => row[i].length)),
  );
  const leftAligned = new Set([0, 3, 7, 8]);
  const line = (row) =>
    row
      .map((cell, i) => (leftAligned.has(i) ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd();
  return [line(head), ...cells.map(line)].join('\n');
}
