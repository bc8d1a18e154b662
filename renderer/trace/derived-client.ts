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
  /** Of the requests whose results take long, how much is done. */
  readonly #shares = new Map<number, number>();
  readonly #watchers = new Set<() => void>();
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
        this.#progress(id, null);
        this.#send({ type: 'derive', id, request: null });
      },
    };
  }

  /** How much is done of a result that takes long, 0 … 1; null when none does. */
  get share(): number | null {
    return this.#shares.size === 0 ? null : Math.min(...this.#shares.values());
  }

  /** Calls `watcher` when `share` changes. */
  watchShare(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  receive(message: DerivedMessage): void {
    const { id } = message;
    const listener = this.#listeners.get(id);
    // Closed while this was on its way.
    if (!listener) return;
    if (message.type === 'derived-progress') {
      this.#progress(id, message.share);
      return;
    }
    this.#progress(id, null);
    listener(message.result, message.disk);
    this.#send({ type: 'derived-drawn', id });
  }

  #progress(id: number, share: number | null): void {
    if (share === (this.#shares.get(id) ?? null)) return;
    if (share === null) this.#shares.delete(id);
    else this.#shares.set(id, share);
    for (const watcher of this.#watchers) watcher();
  }
}
