/** Dates and times as FAT and exFAT have them: local time since 1980, in steps of two seconds. */

interface DosTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hours: number;
  readonly minutes: number;
  readonly seconds: number;
}

const partsOf = (date: number, time: number): DosTime => ({
  year: 1980 + (date >> 9),
  month: (date >> 5) & 0xf,
  day: date & 0x1f,
  hours: time >> 11,
  minutes: (time >> 5) & 0x3f,
  seconds: 2 * (time & 0x1f),
});

/** Whether that is a day and a time there are; no date at all is one as well. */
export function isDosTime(date: number, time: number): boolean {
  const { month, day, hours, minutes, seconds } = partsOf(date, time);
  const isDay = date === 0 || (month >= 1 && month <= 12 && day >= 1);
  return isDay && hours < 24 && minutes < 60 && seconds < 60;
}

const two = (value: number): string => String(value).padStart(2, '0');

export function dosDateText(date: number): string {
  if (date === 0) return 'none';
  const { year, month, day } = partsOf(date, 0);
  return isDosTime(date, 0) ? `${year}-${two(month)}-${two(day)}` : 'no date';
}

export function dosTimeText(time: number): string {
  const { hours, minutes, seconds } = partsOf(0, time);
  return isDosTime(0, time) ? `${two(hours)}:${two(minutes)}:${two(seconds)}` : 'no time';
}
