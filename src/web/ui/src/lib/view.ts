// What is looked at: page, node, range and filters. All of it is in the address, so that a link keeps the view.
import { store } from './store';
import type { Status } from './api';

export interface View {
  page: string;
  /** The one peer, block or transaction. */
  arg: string;
  params: Record<string, string>;
}

export const RANGES: [string, string, number][] = [
  ['5m', '5 min', 300],
  ['15m', '15 min', 900],
  ['1h', '1 h', 3600],
  ['6h', '6 h', 21_600],
  ['24h', '24 h', 86_400],
  ['7d', '7 d', 604_800],
  ['30d', '30 d', 2_592_000],
  ['all', 'All', 0],
];

/** Kept when one goes from page to page. */
const KEPT = ['range', 'from', 'to', 'node'];

function parse(hash: string): View {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?');
  const [page = '', ...rest] = path.split('/');
  let arg = rest.join('/');
  try {
    arg = decodeURIComponent(arg);
  } catch {
    // A link that somebody broke: taken as it is.
  }
  return { page: page || 'overview', arg, params: Object.fromEntries(new URLSearchParams(query)) };
}

export const view = store<View>(parse(location.hash));
addEventListener('hashchange', () => view.set(parse(location.hash)));

function write(v: View): string {
  const q = new URLSearchParams(Object.entries(v.params).filter(([, value]) => value !== '')).toString();
  return `#/${v.page}${v.arg ? `/${encodeURIComponent(v.arg)}` : ''}${q ? `?${q}` : ''}`;
}

/** The address of another page that keeps node and range. */
export function link(page: string, arg = '', params: Record<string, string> = {}): string {
  const kept = Object.fromEntries(Object.entries(view.get().params).filter(([k]) => KEPT.includes(k)));
  return write({ page, arg, params: { ...kept, ...params } });
}

/** Changes parameters of this page; an empty value removes one. */
export function change(params: Record<string, string>, quiet = false): void {
  const v = view.get();
  const next = write({ ...v, params: { ...v.params, ...params } });
  if (next === location.hash) return;
  if (quiet) {
    history.replaceState(null, '', next);
    view.set(parse(next));
  } else {
    location.hash = next;
  }
}

export interface Range {
  from: number;
  to: number;
  /** Moves with the newest data. */
  moving: boolean;
}

/** Until when there is data: the clock of a live sensor, the capture's end in a replay. */
export function newest(status: Status): number {
  const now = status.time ?? 0;
  return status.mode === 'replay' ? Math.max(status.series_to ?? 0, now) : now;
}

/** The range that is looked at; its end moves in steps, so that a page asks again when there is something new to draw. */
export function range(v: View, status: Status): Range {
  const { from, to } = v.params;
  if (from && to && Number(from) < Number(to)) return { from: Number(from), to: Number(to), moving: false };
  const end = newest(status);
  const seconds = RANGES.find(([name]) => name === chosen(v, status))?.[2] ?? 0;
  // Points of intervals begin later than the first packet, events do not.
  const first = Math.min(status.series_from ?? end, status.since ?? end, end - 1_000_000);
  const length = seconds ? seconds * 1e6 : Math.max(end - first, 1e6);
  const moving = !(status.mode === 'replay' && status.finished);
  // Two seconds of five minutes, a minute of a day.
  const beat = Math.min(60, Math.max(2, Math.round(length / 1.5e8))) * 1e6;
  const last = moving ? Math.ceil(end / beat) * beat : end + 1;
  return { from: seconds ? last - length : first, to: last, moving };
}

/** The named range: of a replay all of it unless something else was chosen. */
export function chosen(v: View, status: Status): string {
  if (v.params.from && v.params.to) return '';
  return v.params.range ?? (status.mode === 'replay' ? 'all' : '1h');
}

export function zoom(from: number, to: number): void {
  const span = Math.max(Math.round(to - from), 1_000_000);
  const start = Math.round(from);
  change({ from: String(start), to: String(start + span), range: '' });
}
