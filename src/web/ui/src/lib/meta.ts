// What every column means, from the program itself: the marks and the reference are made of it.
import { get, type Column, type Series } from './api';
import { store, use } from './store';

export const series = store<Series[]>([]);
let asked = false;

export function load(): void {
  if (asked) return;
  asked = true;
  get<{ series: Series[] }>('series').then(
    (r) => series.set(r.series),
    () => (asked = false),
  );
}

/** The description of `series.column`. */
export function useColumn(name: string): Column | undefined {
  const all = use(series);
  const dot = name.indexOf('.');
  return all.find((s) => s.name === name.slice(0, dot))?.columns.find((c) => c.name === name.slice(dot + 1));
}

/** Help of a counter of the sensor by its name; some are columns with a prefix. */
export function counterHelp(all: Series[], name: string, prefix = ''): string {
  const columns = all.find((s) => s.name === 'sensor')?.columns ?? [];
  return (columns.find((c) => c.name === prefix + name) ?? columns.find((c) => c.name === name))?.help ?? '';
}
