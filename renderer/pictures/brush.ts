/** A part of the trace that was marked in a picture, as a part of the filter's text. */
import { parseFilter } from '../../app/filter/parse';

/** Both ends belong to it. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface Brush {
  readonly sectors: Span | null;
  /** ns since the trace began */
  readonly time: Span | null;
}

const units = [
  { name: 's', ns: 1e9 },
  { name: 'ms', ns: 1e6 },
  { name: 'us', ns: 1e3 },
] as const;

/** The largest power of ten that is no more than a thousandth of `span`, 1 at least. */
function step(span: number): number {
  return Math.max(1, 10 ** Math.floor(Math.log10(Math.max(1, span / 1000))));
}

/** Nanoseconds as the filter's language writes them, without a loss: 1.25s, 300us, 17ns. */
export function durationText(ns: number): string {
  for (const { name, ns: unit } of units) {
    if (ns < unit && ns !== 0) continue;
    const digits = Math.log10(unit);
    const text = (ns / unit).toFixed(digits).replace(/\.?0+$/, '');
    if (Math.round(Number(text) * unit) === ns) return `${text}${name}`;
  }
  return `${ns}ns`;
}

/** What a pointer marks is no truer than a pixel: its ends are rounded away from each other. */
export function rounded({ from, to }: Span): Span {
  const unit = step(to - from);
  return { from: Math.max(0, Math.floor(from / unit) * unit), to: Math.ceil(to / unit) * unit };
}

/** A filter that passes what lies in `brush`; '' for all of it. */
export function brushText({ sectors, time }: Brush): string {
  const parts = [
    sectors && `sector in ${sectors.from}..${sectors.to}`,
    time && `time in ${durationText(time.from)}..${durationText(time.to)}`,
  ];
  return parts.filter((part) => part !== null).join(' && ');
}

/** `text` without the part an earlier brush added, if it still ends with it. */
export function withoutBrush(text: string, earlier: string | null): string {
  if (earlier === null || earlier === '') return text;
  if (text.trim() === earlier) return '';
  if (!text.endsWith(` && ${earlier}`)) return text;
  const rest = text.slice(0, -` && ${earlier}`.length);
  const inner = /^\((.*)\)$/s.exec(rest)?.[1];
  // The brackets are ours only if what is in them stands alone: not "(a) || (b)".
  return inner !== undefined && isLoose(inner) ? inner : rest;
}

/** `text` and `brush`, in place of an earlier one. A text that cannot be understood gives way. */
export function withBrush(text: string, earlier: string | null, brush: Brush): string {
  const rest = withoutBrush(text, earlier).trim();
  const made = brushText(brush);
  if (made === '') return rest;
  if (rest === '' || !parseFilter(rest).ok) return made;
  return isLoose(rest) ? `(${rest}) && ${made}` : `${rest} && ${made}`;
}

function isLoose(text: string): boolean {
  const parsed = parseFilter(text);
  return parsed.ok && parsed.filter?.kind === 'or';
}
