/**
 * The files that the user has placed in a dialog of ours. Only those may replace what
 * is there: the page names paths, but a page gone wrong must not name any file it likes.
 */
export class PlacedFiles {
  private readonly paths = new Set<string>();

  /** The dialog answered `path`: it has asked about what is there. */
  add(path: string): void {
    this.paths.add(path);
  }

  /** Whether what is at `path` may be replaced: once for each answer. */
  take(path: string): boolean {
    return this.paths.delete(path);
  }
}
