/** Numbers as they are read: thousands separated, units chosen for reading. */

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** 184236 → "184,236". */
export function formatCount(value: number | bigint): string {
  return grouped.format(value);
}

/** Three significant digits, no trailing zeroes: 1.5, 12.4, 657. */
function short(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return String(Number(value.toFixed(digits)));
}

const byteUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'] as const;

/** Bytes in binary units: 8192 → "8 KiB". */
export function formatBytes(value: number | bigint): string {
  let rest = Number(value);
  let unit = 0;
  while (rest >= 1024 && unit < byteUnits.length - 1) {
    rest /= 1024;
    unit++;
  }
  return `${short(rest)} ${byteUnits[unit] ?? ''}`;
}

/** Nanoseconds, always three digits, so that a column lines up: "267 µs", "9.40 µs", "7.32 ms". */
export function formatDuration(ns: number): string {
  if (ns < 1000) return `${Math.round(ns)} ns`;
  if (ns < 999_500) return `${(ns / 1000).toPrecision(3)} µs`;
  if (ns < 999_500_000) return `${(ns / 1e6).toPrecision(3)} ms`;
  const seconds = ns / 1e9;
  return `${seconds < 999.5 ? seconds.toPrecision(3) : String(Math.round(seconds))} s`;
}

/** A rate: 5432 → "5.4k", 12 → "12". */
export function formatRate(perSecond: number): string {
  if (perSecond < 0.05) return '0';
  if (perSecond < 9.95) return perSecond.toFixed(1);
  if (perSecond < 1000) return String(Math.round(perSecond));
  if (perSecond < 999_500) return `${short(perSecond / 1000)}k`;
  return `${short(perSecond / 1e6)}M`;
}

/** Bytes a second in decimal units, as drives are sold: 2892000000 → "2.89 GB/s". */
export function formatThroughput(bytesPerSecond: number): string {
  if (bytesPerSecond < 1000) return `${Math.round(bytesPerSecond)} B/s`;
  if (bytesPerSecond < 1e6) return `${short(bytesPerSecond / 1e3)} kB/s`;
  if (bytesPerSecond < 1e9) return `${short(bytesPerSecond / 1e6)} MB/s`;
  return `${short(bytesPerSecond / 1e9)} GB/s`;
}

/** `digits` hexadecimal digits at least. */
export function formatHex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
