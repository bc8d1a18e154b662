/** The pictures there are: a kind is one file and one line here. */
import { AddressDerivation, type AddressResult } from './addresses';
import type { Derivation, DerivationContext } from './derivation';
import { LatencyDerivation, type LatencyResult } from './latency';
import { MapDerivation, type MapParameters, type MapResult } from './map';
import { StatisticsDerivation, type StatisticsResult } from './statistics';
import { TimeDerivation, type TimeResult } from './time';

export type DeriveRequest =
  | { readonly kind: 'map'; readonly parameters: MapParameters }
  | { readonly kind: 'time' | 'latency' | 'addresses' | 'statistics' };

export type DerivedResult =
  MapResult | TimeResult | LatencyResult | AddressResult | StatisticsResult;

/** A derivation whose partials are its own business: what scanned them merges them. */
export interface AnyDerivation extends Required<Derivation<unknown, DerivedResult>> {
  /**
   * Answers `request` from now on. False where it cannot, or where nothing it has is of
   * use for that. Throws RangeError for a map of nothing.
   */
  change(request: DeriveRequest): boolean;
}

/** Throws RangeError for a map of nothing. */
export function makeDerivation(request: DeriveRequest, context: DerivationContext): AnyDerivation {
  switch (request.kind) {
    case 'map': {
      const map = new MapDerivation(request.parameters, context);
      const change = (other: DeriveRequest) => other.kind === 'map' && map.change(other.parameters);
      return { ...hidden(map), change };
    }
    case 'time':
      return settled(request, new TimeDerivation(context));
    case 'latency':
      return settled(request, new LatencyDerivation());
    case 'addresses':
      return settled(request, new AddressDerivation());
    case 'statistics':
      return settled(request, new StatisticsDerivation(context));
  }
}

/** One that answers every request of its kind. */
const settled = <Partial, Result extends DerivedResult>(
  { kind }: DeriveRequest,
  derivation: Derivation<Partial, Result>,
): AnyDerivation => ({ ...hidden(derivation), change: (other) => other.kind === kind });

/** Forgets the type of the partials: they go back to the derivation they came from, and nowhere else. */
function hidden<Partial, Result extends DerivedResult>(
  derivation: Derivation<Partial, Result>,
): Required<Derivation<unknown, DerivedResult>> {
  return {
    begin: (from, to) => derivation.begin?.(from, to),
    isStillGood: (partial) => derivation.isStillGood?.(partial as Partial) ?? true,
    refit: (partial) => derivation.refit?.(partial as Partial) ?? null,
    scan: (...run) => derivation.scan(...run),
    merge: (partials, isOver) => derivation.merge(partials as readonly Partial[], isOver),
  };
}
