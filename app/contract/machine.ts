/** What this machine offers Bioscope, and what is in the way: for `bioscope doctor` and the window. */
import { z } from './schema';
import { routeNames } from './disk';

/** `ok`; `missing`: a route does not work without it; `advice`: it works, but could be better. */
export const findings = ['ok', 'missing', 'advice'] as const;

export const machineCheckSchema = z
  .object({
    /** Stable, for programs, e.g. "dm-user-module". */
    id: z.string(),
    /** A few words, e.g. "The dm-user module". */
    title: z.string(),
    finding: z.enum(findings),
    /** One or two sentences: what was found. */
    detail: z.string(),
    /** What mends it, commands to be copied as they are; empty where nothing needs mending or can be. */
    remedy: z.array(z.string()).readonly(),
    /** The routes that need it. */
    routes: z.array(z.enum(routeNames)).readonly(),
  })
  .readonly();
export type MachineCheck = z.infer<typeof machineCheckSchema>;

export const machineRouteSchema = z
  .object({
    name: z.enum(routeNames),
    available: z.boolean(),
    /** The one that an attach takes where nobody chose. */
    preferred: z.boolean(),
    /** One plain sentence: what works, what is missing. */
    explanation: z.string(),
  })
  .readonly();
export type MachineRoute = z.infer<typeof machineRouteSchema>;

export const machineSchema = z
  .object({
    /** Linux release, e.g. "6.12.1". */
    kernel: z.string(),
    /** As Node names it, e.g. "x64". */
    architecture: z.string(),
    routes: z.array(machineRouteSchema).readonly(),
    checks: z.array(machineCheckSchema).readonly(),
  })
  .readonly();
export type Machine = z.infer<typeof machineSchema>;
