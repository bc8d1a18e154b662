import type { FilterProblem } from './filter';

/** A problem, thrown inside this folder only: `parseFilter` returns it. */
export class Wrong extends Error {
  readonly problem: FilterProblem;

  constructor(message: string, place: { readonly at: number; readonly length: number }) {
    super(message);
    this.problem = { message, at: place.at, length: Math.max(1, place.length) };
  }
}
