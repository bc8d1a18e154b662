/** Which routes an attach tries, in what order, and why not the better ones. */
import type { RouteWish } from '../../contract/disk';
import { BioscopeError, toErrorValue, type ErrorCode } from '../../contract/errors';
import type { Privileges } from '../../privileged/privileges';
import type { Log } from '../log';
import { dmUserRoute } from './dm-user-route';
import { fileRoute } from './file-route';
import { loopRoute } from './loop-route';
import type { Route } from './route';

export interface RouteCandidate {
  readonly route: Route;
  /** Why no better one; null for the best, and for one that was asked for. */
  readonly reason: string | null;
}

export interface ChoiceOptions {
  readonly privileges: Privileges;
  /** Channels of a dm-user target. */
  readonly channels: number;
  /** Why this kernel cannot have a dm-user target; null when it can. */
  readonly obstacle: () => string | null;
  readonly log: Log;
}

/**
 * The routes to be tried for `wish`, the best first. Throws ROUTE_UNAVAILABLE for a
 * wish that cannot come true here.
 */
export function routeCandidates(
  wish: RouteWish,
  { privileges, channels, obstacle: kernelObstacle, log }: ChoiceOptions,
): readonly RouteCandidate[] {
  const { targets } = privileges;
  const obstacle = targets === null ? noTargets : kernelObstacle();
  const dmUser = targets && !obstacle ? dmUserRoute({ targets, channels, log }) : null;
  if (wish === 'dm-user') {
    if (dmUser) return [{ route: dmUser, reason: null }];
    throw new BioscopeError(
      'ROUTE_UNAVAILABLE',
      `The dm-user route does not work here: ${obstacle} "bioscope doctor" says what to do; fuse-loop does the same job without a kernel module.`,
    );
  }
  const reason = wish === 'auto' ? obstacle : null;
  const others: RouteCandidate[] = privileges.available
    ? [
        { route: loopRoute(privileges, log), reason },
        { route: fileRoute(log, privileges.wayOut), reason },
      ]
    : [{ route: fileRoute(log, privileges.wayOut), reason }];
  return wish === 'auto' && dmUser ? [{ route: dmUser, reason: null }, ...others] : others;
}

const noTargets = 'It needs root, or Bioscope’s helper, to make device-mapper targets.';

/** Errors of an image or of room on the disk: no other route would help. */
const notTheRoutes: readonly ErrorCode[] = ['NO_SPACE', 'RUNTIME_DIRECTORY', 'DAEMON_STOPPING'];

/** Whether the next candidate may do better than the one that failed with `thrown`. */
export function isRoutesFault(thrown: unknown, route: Route, privileges: Privileges): boolean {
  const { code } = toErrorValue(thrown);
  if (code.startsWith('IMAGE_') || notTheRoutes.includes(code)) return false;
  // Root's fuse-loop does not fail for want of powers; its errors are to be seen.
  return route.name === 'dm-user' || (privileges.available && code === 'PRIVILEGE_MISSING');
}
