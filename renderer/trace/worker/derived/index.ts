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
export type AnyDerivation = Derivation<unknown, DerivedResult>;

/** Throws RangeError for a map of nothing. */
export function makeDerivation(request: DeriveRequest, context: DerivationContext): AnyDerivation {
  switch (request.kind) {
    case 'map':
      return hidden(new MapDerivation(request.parameters, context));
    case 'time':
      return hidden(new TimeDerivation(context));
    case 'latency':
      return hidden(new LatencyDerivation());
    case 'addresses':
      return hidden(new AddressDerivation());
    case 'statistics':
      return hidden(new StatisticsDerivation(context));
  }
}

/** Forgets the type of the partials: they go back to the derivation they came from, and nowhere else. */
function hidden<Partial, Result extends DerivedResult>(
  derivation: Derivation<Partial, Result>,
): AnyDerivation {
  return {
    scan: (...run) => derivation.scan(...run),
    merge: (partials, isOver) => derivation.merge(partials as readonly Partial[], isOver),
  };
}
