// The types of boundaries.mjs, for its test.
export interface Area {
  areas: string[];
  packages: string[];
  node: boolean;
}
export const areas: Record<string, Area>;
export const rawIpc: Record<string, string>;
/** What is wrong with `specifier` in the file `path` (relative to the root), or null. */
export function importProblem(path: string, specifier: string): string | null;
export const boundaryPlugin: object;
export const boundaryConfig: object;
