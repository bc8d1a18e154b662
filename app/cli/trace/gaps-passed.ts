/** The times in which nobody served, found on the way through a trace. */
import type { Gap } from '../../contract/disk';
import { nanoseconds } from '../../contract/units';
import { bioscopeTraceRecordOffsets as at } from '../../contract/wire.gen';

const none: readonly Gap[] = [];

export class GapsPassed {
  #left: readonly Gap[];
  #hasBegun = false;
  /** The latest answer so far: one daemon's last is later than its last sign of life. */
  #answered = 0n;

  /** `gaps`: oldest first. */
  constructor(gaps: readonly Gap[] = none) {
    this.#left = gaps;
  }

  /**
   * Told each record (at `offset` of `view`) in the order of arrival: the gaps between the
   * one before and this. One with nothing before it is of a past that is not shown.
   */
  before(view: DataView, offset: number): readonly Gap[] {
    if (this.#left.length === 0) return none;
    const arrival = view.getBigUint64(offset + at.arrivalNs, true);
    const ahead = this.#left.findIndex(({ to }) => arrival < to);
    const passed = ahead < 0 ? this.#left : this.#left.slice(0, ahead);
    const shown = this.#hasBegun ? passed.map((gap) => this.#narrowed(gap)) : none;
    this.#hasBegun = true;
    this.#left = this.#left.slice(passed.length);
    const completion = view.getBigUint64(offset + at.completionNs, true);
    if (completion > this.#answered) this.#answered = completion;
    return shown;
  }

  #narrowed({ from, to }: Gap): Gap {
    const begun = this.#answered > from ? this.#answered : from;
    return { from: nanoseconds(begun < to ? begun : to), to };
  }
}
