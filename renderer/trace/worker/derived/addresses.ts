/** Where on the disk: requests and bytes along the sectors. */
import { SECTOR_BYTES } from '../../../../app/contract/units';
import { wideAt } from '../../../../app/filter/trace-columns';
import { binIn, type Bins, binsFor, joinBins } from './bins';
import { type Derivation, never, RunningSum } from './derivation';
import { FAMILIES, familyOf, passingRows } from './rows';

export const ADDRESS_BINS = 1024;

export interface AddressPartial {
  /** Of sectors; null where no request has sectors. */
  readonly bins: Bins | null;
  /** FAMILIES a bin: requests that begin in it. */
  readonly counts: Uint32Array;
  /** FAMILIES a bin: bytes of requests that lie in it. */
  readonly bytes: Float64Array;
}

export interface AddressResult extends AddressPartial {
  readonly kind: 'addresses';
}

function arrays(count: number) {
  return {
    counts: new Uint32Array(count * FAMILIES),
    bytes: new Float64Array(count * FAMILIES),
  };
}

function addPart(
  { bins, counts, bytes }: AddressPartial,
  part: AddressPartial,
  sign: 1 | -1,
): void {
  if (!bins || !part.bins) return;
  for (let bin = 0; bin < part.bins.count; bin++) {
    const to = binIn(bins, part.bins, bin) * FAMILIES;
    for (let family = 0; family < FAMILIES; family++) {
      const from = bin * FAMILIES + family;
      counts[to + family] = (counts[to + family] ?? 0) + sign * (part.counts[from] ?? 0);
      bytes[to + family] = (bytes[to + family] ?? 0) + sign * (part.bytes[from] ?? 0);
    }
  }
}

export class AddressDerivation implements Derivation<AddressPartial, AddressResult> {
  readonly #total = new RunningSum<AddressPartial, AddressPartial>(addPart);

  scan: Derivation<AddressPartial, AddressResult>['scan'] = (columns, from, to, bits) => {
    const rows = passingRows(from, to, bits);
    let low = Infinity;
    let high = -Infinity;
    for (const row of rows) {
      const length = wideAt(columns.length, row);
      if (length === 0) continue;
      const sector = wideAt(columns.sector, row);
      const last = sector + Math.ceil(length / SECTOR_BYTES) - 1;
      if (sector < low) low = sector;
      if (last > high) high = last;
    }
    if (low > high) return { bins: null, ...arrays(0) };
    const bins = binsFor(low, high, ADDRESS_BINS);
    const { counts, bytes } = arrays(bins.count);
    const binBytes = bins.width * SECTOR_BYTES;
    const originByte = bins.first * binBytes;
    for (const row of rows) {
      const length = wideAt(columns.length, row);
      if (length === 0) continue;
      const family = familyOf[columns.operation[row] ?? 0] ?? 0;
      let start = wideAt(columns.sector, row) * SECTOR_BYTES - originByte;
      const end = start + length;
      let bin = Math.floor(start / binBytes);
      const first = bin * FAMILIES + family;
      counts[first] = (counts[first] ?? 0) + 1;
      for (; start < end; bin++) {
        const part = Math.min(end, (bin + 1) * binBytes) - start;
        const at = bin * FAMILIES + family;
        bytes[at] = (bytes[at] ?? 0) + part;
        start += part;
      }
    }
    return { bins, counts, bytes };
  };

  merge: Derivation<AddressPartial, AddressResult>['merge'] = (partials, isOver = never) => {
    const bins = joinBins(
      partials.flatMap((partial) => partial.bins ?? []),
      ADDRESS_BINS,
    );
    const total = this.#total.sum(
      partials,
      bins ? `${bins.first} ${bins.width} ${bins.count}` : '',
      () => ({ bins, ...arrays(bins?.count ?? 0) }),
      isOver,
    );
    if (total === null) return null;
    const counts = total.counts.slice();
    const bytes = total.bytes.slice();
    return {
      result: { kind: 'addresses', bins, counts, bytes },
      transfer: [counts.buffer, bytes.buffer],
    };
  };
}
