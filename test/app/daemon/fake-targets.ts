/** A kernel's device mapper as the helper shows it, and what it would keep over a daemon's death. */
import { openSync } from 'node:fs';
import type { TargetOptions, TargetState, TargetVerbs } from '../../../app/privileged/targets';
import { errnoError } from './fake-addon';

interface FakeTarget {
  options: TargetOptions;
  reloaded: TargetOptions | null;
  suspended: boolean;
  openCount: number;
  channels: number;
  aborts: number;
  isLeaving: boolean;
  foreign: boolean;
}

export class FakeTargets implements TargetVerbs {
  readonly targets = new Map<string, FakeTarget>();
  readonly calls: string[] = [];
  /** What the verb of this name throws, once. */
  readonly failures = new Map<string, Error>();
  /** Every channel that was ever opened: real descriptors, which who gets them closes. */
  readonly opened: number[] = [];

  /** One that somebody made with dmsetup. */
  makeByHand(name: string, sectors: bigint): void {
    this.add({ tag: name, sectors, readOnly: false, discards: false, writeZeroes: false }, true);
  }

  get(tag: string): FakeTarget {
    const target = this.targets.get(tag);
    if (!target) throw errnoError('ENXIO', 'DM_DEV_STATUS');
    return target;
  }

  loadModule(): Promise<void> {
    return this.step('loadModule', () => undefined);
  }
  create(options: TargetOptions): Promise<TargetState> {
    return this.step('create', () => {
      if (this.targets.has(options.tag)) throw errnoError('EEXIST', 'DM_DEV_CREATE');
      return this.add(options, false);
    });
  }
  openChannels({ tag, count }: { tag: string; count: number }): Promise<number[]> {
    return this.step('openChannels', () => this.open(tag, count));
  }
  suspend({ tag, noFlush }: { tag: string; noFlush: boolean }): Promise<void> {
    return this.step(noFlush ? 'suspend' : 'suspend and flush', () => {
      this.get(tag).suspended = true;
    });
  }
  resume(tag: string): Promise<void> {
    return this.step('resume', () => {
      const target = this.get(tag);
      target.suspended = false;
      target.options = target.reloaded ?? target.options;
      target.reloaded = null;
    });
  }
  reload(options: TargetOptions): Promise<void> {
    return this.step('reload', () => {
      this.get(options.tag).reloaded = options;
    });
  }
  abort(tag: string): Promise<void> {
    return this.step('abort', () => {
      this.get(tag).aborts++;
    });
  }
  status(tag: string): Promise<TargetState | null> {
    return this.step('status', () => (this.targets.has(tag) ? this.stateOf(tag) : null));
  }
  remove({ tag, deferred }: { tag: string; deferred: boolean }): Promise<void> {
    return this.step(deferred ? 'remove later' : 'remove', () => {
      const target = this.get(tag);
      if (target.openCount === 0) this.targets.delete(tag);
      else if (deferred) target.isLeaving = true;
      else throw errnoError('EBUSY', 'DM_DEV_REMOVE');
    });
  }
  list(): Promise<readonly TargetState[]> {
    return this.step('list', () => this.states(false));
  }
  listForeign(): Promise<readonly TargetState[]> {
    return this.step('listForeign', () => this.states(true));
  }
  openForeign({ name, count }: { name: string; count: number }): Promise<number[]> {
    return this.step('openForeign', () => this.open(name, count));
  }
  close(): void {
    this.calls.push('close');
  }

  private async step<Result>(name: string, work: () => Result): Promise<Result> {
    this.calls.push(name);
    await Promise.resolve();
    const failure = this.failures.get(name);
    this.failures.delete(name);
    if (failure) throw failure;
    return work();
  }

  private open(tag: string, count: number): number[] {
    this.get(tag).channels += count;
    const opened = Array.from({ length: count }, () => openSync('/dev/null', 'r'));
    this.opened.push(...opened);
    return opened;
  }

  private add(options: TargetOptions, foreign: boolean): TargetState {
    const rest = { reloaded: null, suspended: false, openCount: 0, channels: 0, aborts: 0 };
    this.targets.set(options.tag, { options, ...rest, isLeaving: false, foreign });
    return this.stateOf(options.tag);
  }

  private states(foreign: boolean): TargetState[] {
    return [...this.targets.keys()]
      .filter((tag) => this.get(tag).foreign === foreign)
      .map((tag) => this.stateOf(tag));
  }

  private stateOf(tag: string): TargetState {
    const { options, suspended, openCount } = this.get(tag);
    const { sectors, readOnly } = options;
    const device = `/dev/dm-${[...this.targets.keys()].indexOf(tag) + 900}`;
    return { tag, device, sectors, readOnly, openCount, suspended, live: true, status: '' };
  }
}
