/**
 * Errors are values across every boundary. Each code says whether a user can
 * mend it; the message names the thing and the way out.
 */
import { z } from './schema';

/** Every code, and who can mend it: `user`, the `system` (a resource ran out, something died), or nobody but us (`bug`). */
export const errorKinds = {
  IMAGE_MISSING: 'user',
  IMAGE_UNREADABLE: 'user',
  IMAGE_NOT_WRITABLE: 'user',
  IMAGE_NOT_A_FILE: 'user',
  IMAGE_EMPTY: 'user',
  IMAGE_TOO_SMALL: 'user',
  IMAGE_IN_USE: 'user',
  DISK_UNKNOWN: 'user',
  DISK_BUSY: 'user',
  DISK_FAILED: 'system',
  ROUTE_UNAVAILABLE: 'user',
  PRIVILEGE_MISSING: 'user',
  DAEMON_UNREACHABLE: 'system',
  DAEMON_RUNNING: 'user',
  DAEMON_STOPPING: 'system',
  RUNTIME_DIRECTORY: 'user',
  NO_SPACE: 'system',
  PAYLOAD_RANGE: 'user',
  FILE_EXISTS: 'user',
  FILE_NOT_WRITABLE: 'user',
  FILE_UNREADABLE: 'user',
  CAPTURE_FOREIGN: 'user',
  CAPTURE_NEWER: 'user',
  CAPTURE_DAMAGED: 'user',
  CAPTURE_EMPTY: 'user',
  RECORDING_UNKNOWN: 'user',
  USAGE: 'user',
  PROTOCOL: 'bug',
  INTERNAL: 'bug',
} as const;

export type ErrorCode = keyof typeof errorKinds;

/** Somebody that keeps a device from being detached. */
export const holderSchema = z.object({
  kind: z.enum(['mount', 'swap', 'process', 'device']),
  /** The device held: the disk's own or one of its partitions, e.g. /dev/loop0p1. */
  device: z.string(),
  /** The mount point, the process's name, or the name of the device on top. */
  name: z.string(),
  /** Process id, for a process. */
  pid: z.number().int().nullable(),
});
export type Holder = z.infer<typeof holderSchema>;

export const errorSchema = z.object({
  code: z.enum(Object.keys(errorKinds) as [ErrorCode, ...ErrorCode[]]),
  /** The symbolic errno behind it, e.g. "ENOSPC", or null. */
  errno: z.string().nullable(),
  /** One or two sentences: what happened to which thing, and what to do. */
  message: z.string(),
  /** True when the failure was injected on purpose, never a real one. */
  injected: z.boolean(),
  /** Who holds the device, for DISK_BUSY; otherwise empty. */
  holders: z.array(holderSchema).readonly(),
});
/** An error as plain data. */
export type ErrorValue = Readonly<z.infer<typeof errorSchema>>;

/** An ErrorValue while it is thrown inside one process. */
export class BioscopeError extends Error {
  readonly value: ErrorValue;

  constructor(
    code: ErrorCode,
    message: string,
    more: { errno?: string | null; holders?: readonly Holder[]; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause });
    this.name = 'BioscopeError';
    this.value = {
      code,
      errno: more.errno ?? null,
      message,
      injected: false,
      holders: more.holders ?? [],
    };
  }

  static from(value: ErrorValue): BioscopeError {
    const { code, message, errno, holders } = value;
    const error = new BioscopeError(code, message, { errno, holders });
    return error;
  }
}

/** Any thrown thing as an ErrorValue; what is not ours is INTERNAL. */
export function toErrorValue(thrown: unknown): ErrorValue {
  if (thrown instanceof BioscopeError) return thrown.value;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const code: unknown = thrown instanceof Error && 'code' in thrown ? thrown.code : null;
  return {
    code: 'INTERNAL',
    errno: typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : null,
    message,
    injected: false,
    holders: [],
  };
}

/** What every boundary answers: a value or an error, never `undefined` for a failure. */
export type Answer<Value> =
  { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly error: ErrorValue };
