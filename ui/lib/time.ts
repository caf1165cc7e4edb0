import { say } from '../words/say.ts';

/** `2026-08-20 13:45:55 UTC`, as the API writes times, in milliseconds since 1970. */
export const parseTime = (text: string): number => Date.parse(text.replace(' UTC', 'Z').replace(' ', 'T'));

const whole = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
export const showTime = (text: string): string => whole.format(parseTime(text));

/** Name of the reader's time zone, such as "Central European Standard Time". */
export const zoneName = (): string =>
  new Intl.DateTimeFormat(undefined, { timeZoneName: 'long' })
    .formatToParts(new Date())
    .find(({ type }) => type === 'timeZoneName')?.value ?? Intl.DateTimeFormat().resolvedOptions().timeZone;

/** How long something took or takes, in two units at most. */
export function showDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return say('time.seconds', { seconds });
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return say('time.minutes', { minutes, seconds: seconds % 60 });
  return say('time.hours', { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}

const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const;
export function showSize(bytes: number): string {
  const step = bytes < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(bytes) / 3));
  return new Intl.NumberFormat(undefined, {
    style: 'unit',
    unit: units[step] ?? 'byte',
    unitDisplay: step === 0 ? 'long' : 'short',
    maximumFractionDigits: 1,
  }).format(bytes / 1000 ** step);
}

export const showPercent = (done: number, total: number): string =>
  new Intl.NumberFormat(undefined, { style: 'percent' }).format(Math.min(1, done / total));
