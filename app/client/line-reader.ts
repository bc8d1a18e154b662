/**
 * Cuts a byte stream into lines of UTF-8. Both ends of the daemon's socket use
 * it. A line that is too long or not UTF-8 throws LineError: what follows it on
 * the stream cannot be trusted any more, so the connection must be closed.
 */
export class LineError extends Error {}

const NEWLINE = 0x0a;

export class LineReader {
  private readonly longest: number;
  private readonly decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  /** Pieces of a line whose end has not come yet. */
  private pieces: Buffer[] = [];
  private pending = 0;

  /** `longest`: the most bytes of a line, its newline not counted. */
  constructor(longest: number) {
    this.longest = longest;
  }

  /** The lines that `chunk` completes, without their newlines. */
  *push(chunk: Buffer): Generator<string> {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      const piece = chunk.subarray(start, end === -1 ? chunk.length : end);
      if (this.pending + piece.length > this.longest) {
        throw new LineError(`a line is longer than ${this.longest} bytes`);
      }
      if (piece.length > 0) {
        this.pieces.push(piece);
        this.pending += piece.length;
      }
      if (end === -1) return;
      const whole = Buffer.concat(this.pieces);
      this.pieces = [];
      this.pending = 0;
      start = end + 1;
      yield this.decode(whole);
    }
  }

  private decode(line: Buffer): string {
    try {
      return this.decoder.decode(line);
    } catch {
      throw new LineError('a line is not UTF-8');
    }
  }
}
