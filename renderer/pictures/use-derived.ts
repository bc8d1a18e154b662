/** The newest result of a picture, as React has it. */
import { useEffect, useState } from 'react';
import { derivedClient } from '../trace/trace-client';
import type { DerivedResult } from '../trace/worker/derived/index';

type Kind = Exclude<DerivedResult['kind'], 'map'>;
type ResultOf<K extends Kind> = Extract<DerivedResult, { kind: K }>;

/** Null until the first one comes. */
export function useDerived<K extends Kind>(kind: K): ResultOf<K> | null {
  const [result, setResult] = useState<ResultOf<K> | null>(null);
  useEffect(() => {
    const isOurs = (made: DerivedResult): made is ResultOf<K> => made.kind === kind;
    const subscription = derivedClient.subscribe({ kind }, (made) => {
      setResult(made && isOurs(made) ? made : null);
    });
    return () => subscription.close();
  }, [kind]);
  return result;
}
