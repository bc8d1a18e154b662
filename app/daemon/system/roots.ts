/** Where the kernel's file systems are mounted; tests put small trees in their place. */
export interface SystemRoots {
  readonly proc: string;
  readonly sys: string;
}

export const systemRoots: SystemRoots = { proc: '/proc', sys: '/sys' };
