/** The page's side of the pictures: who looks at what, and the results as they come. */
import type { DiskId } from '../../app/contract/units';
import type { DerivedMessage, DerivedRequest } from './worker/derived/derived-views';
import type { DerivedResult, DeriveRequest } from './worker/derived/index';

/** Draws `result`; null while no disk is looked at. */
export type DerivedListener = (result: DerivedResult | null, disk: DiskId | null) => void;

export interface DerivedSubscription {
  /** Looks at something else; until its result comes, that of the last request stays. */
  change(request: DeriveRequest): void;
  close(): void;
}

export class DerivedClient {
  readonly #send: (request: DerivedRequest) => void;
  readonly #listeners = new Map<number, DerivedListener>();
  #next = 1;

  /** `send` posts to the worker. */
  constructor(send: (request: DerivedRequest) => void) {
    this.#send = send;
  }

  /** Calls `listener` with each result, until it is closed. */
  subscribe(request: DeriveRequest, listener: DerivedListener): DerivedSubscription {
    const id = this.#next++;
    this.#listeners.set(id, listener);
    this.#send({ type: 'derive', id, request });
    return {
      change: (changed) => this.#send({ type: 'derive', id, request: changed }),
      close: () => {
        this.#listeners.delete(id);
        this.#send({ type: 'derive', id, request: null });
      },
    };
  }

  receive({ id, result, disk }: DerivedMessage): void {
    const listener = this.#listeners.get(id);
    // Closed while the result was on its way.
    if (!listener) return;
    listener(result, disk);
    this.#send({ type: 'derived-drawn', id });
  }
}
