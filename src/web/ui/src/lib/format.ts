// Figures for people. What is not known is a dash, never 0; the exact value is told on hover.

const THIN = '\u202f';
export const NONE = '–';

type Maybe = number | null | undefined;

/** 12 345, with narrow spaces that do not break. */
export function int(n: Maybe): string {
  if (n === null || n === undefined || !Number.isFinite(n)) return NONE;
  const [whole = '', part] = String(Math.round(n * 1000) / 1000).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, THIN);
  return part ? `${grouped}.${part}` : grouped;
}

/** Three figures. */
export function short(n: number): string {
  const a = Math.abs(n);
  if (a === 0) return '0';
  if (a >= 100) return n.toFixed(0);
  if (a >= 10) return n.toFixed(1).replace(/\.0$/, '');
  return n.toFixed(2).replace(/\.?0+$/, '');
}

function scaled(n: number, unit: string, whole: boolean): string {
  const a = Math.abs(n);
  if (whole && Number.isInteger(n) && a < 10_000) return `${int(n)}${unit ? THIN + unit : ''}`;
  const steps: [number, string][] = [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']];
  const step = steps.find(([s]) => a >= s * 0.9995);
  const text = step ? `${short(n / step[0])}${THIN}${step[1]}${unit}` : `${short(n)}${unit ? THIN + unit : ''}`;
  return text;
}

export const count = (n: Maybe): string => (n === null || n === undefined ? NONE : scaled(n, '', true));
export const bytes = (n: Maybe): string => (n === null || n === undefined ? NONE : scaled(n, 'B', true));
export const byteRate = (n: Maybe): string => (n === null || n === undefined ? NONE : scaled(n, 'B/s', false));
export const vsize = (n: Maybe): string => (n === null || n === undefined ? NONE : scaled(n, 'vB', true));
export const rate = (n: Maybe): string => (n === null || n === undefined ? NONE : `${scaled(n, '', false)}/s`);
export const feeRate = (n: Maybe): string => (n === null || n === undefined ? NONE : `${short(n)}${THIN}sat/vB`);
export const percent = (n: Maybe): string => (n === null || n === undefined ? NONE : `${short(Math.round(n * 1000) / 10)}${THIN}%`);

/** Satoshi, or bitcoin from a hundredth on. */
export function sat(n: Maybe): string {
  if (n === null || n === undefined) return NONE;
  if (Math.abs(n) >= 1_000_000) return `${(n / 1e8).toFixed(Math.abs(n) >= 1e9 ? 3 : 5).replace(/0+$/, '').replace(/\.$/, '')}${THIN}BTC`;
  return `${int(Math.round(n))}${THIN}sat`;
}

/** Satoshi in three figures, for axes. */
export const satShort = (n: Maybe): string => (n === null || n === undefined ? NONE : Math.abs(n) >= 1e7 ? sat(n) : scaled(n, 'sat', false));

/** A length of time, from microseconds. */
export function span(us: Maybe): string {
  if (us === null || us === undefined) return NONE;
  const a = Math.abs(us);
  if (a < 1000) return `${short(us)}${THIN}µs`;
  if (a < 1e6) return `${short(us / 1000)}${THIN}ms`;
  if (a < 60e6) return `${short(us / 1e6)}${THIN}s`;
  if (a < 3600e6) return `${Math.floor(us / 60e6)}${THIN}min`;
  if (a < 172_800e6) return `${Math.floor(us / 3600e6)}${THIN}h`;
  return `${Math.floor(us / 86_400e6)}${THIN}d`;
}

/** Whole seconds at least, for what ticks. */
export function age(us: Maybe): string {
  if (us === null || us === undefined) return NONE;
  return us < 60e6 ? `${Math.max(0, Math.floor(us / 1e6))}${THIN}s` : span(us);
}

/** A length of time that is a step of a chart: 10 s, 5 min, 1 h. */
export const step = (us: number): string => span(Math.round(us));

let utc = true;
export const setUtc = (on: boolean): void => void (utc = on);
export const isUtc = (): boolean => utc;

function parts(us: number): [string, string] {
  const d = new Date(us / 1000);
  const at = utc ? d : new Date(d.getTime() - d.getTimezoneOffset() * 60_000);
  const iso = at.toISOString();
  return [iso.slice(0, 10), iso.slice(11, 23)];
}

/** 2026-11-22 20:55:27.434 */
export function moment(us: Maybe): string {
  if (us === null || us === undefined) return NONE;
  const [day, time] = parts(us);
  return `${day} ${time}${utc ? ' UTC' : ''}`;
}

/** 20:55:27, with the day when that is not the day of `near`. */
export function clock(us: Maybe, near?: number, decimals = 0): string {
  if (us === null || us === undefined) return NONE;
  const [day, time] = parts(us);
  const cut = time.slice(0, decimals ? 9 + decimals : 8);
  return near !== undefined && parts(near)[0] !== day ? `${day} ${cut}` : cut;
}

/** The first and last figures of a hash. */
export const hash = (h: string | null | undefined, n = 8): string => (h ? (h.length > 2 * n + 1 ? `${h.slice(0, n)}…${h.slice(-n)}` : h) : NONE);
export const words = (name: string): string => name.replace(/_/g, ' ');
