// Tables that sort: by a button in the head, which tells screen readers which way.
import type { ComponentChildren } from 'preact';
import { change, view } from '../lib/view';
import { use } from '../lib/store';
import { Mark } from './bits';

export interface Col<T> {
  key: string;
  title: string;
  /** What is sorted by; without it the column does not sort. */
  by?: (row: T) => string | number | null | undefined;
  cell: (row: T) => ComponentChildren;
  right?: boolean;
  /** Left out on narrow screens: 1 below a phone's width, 2 below a tablet's. */
  rank?: 1 | 2;
  of?: string;
  tip?: string;
}

interface Props<T> {
  label: string;
  cols: Col<T>[];
  rows: T[];
  id: (row: T) => string;
  /** Column and direction when the address does not say: `-` is downwards. */
  first?: string;
  empty: ComponentChildren;
}

export function sorted<T>(rows: T[], cols: Col<T>[], order: string): T[] {
  const down = order.startsWith('-');
  const by = cols.find((c) => c.key === order.replace(/^-/, ''))?.by;
  if (!by) return rows;
  return rows.slice().sort((a, b) => {
    const x = by(a) ?? null;
    const y = by(b) ?? null;
    // What is not known stands last, whichever way.
    if (x === null || y === null) return (x === null ? 1 : 0) - (y === null ? 1 : 0);
    const way = typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y), 'en', { numeric: true });
    return down ? -way : way;
  });
}

export function Table<T>({ label, cols, rows, id, first = '', empty }: Props<T>) {
  const order = use(view).params.sort ?? first;
  const key = order.replace(/^-/, '');
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={label}>
      <table class="rows">
        <thead>
          <tr>
            {cols.map((c) => (
              <th
                scope="col"
                key={c.key}
                class={`${c.right ? 'right' : ''} ${c.rank ? `rank${c.rank}` : ''}`}
                aria-sort={c.by ? (c.key !== key ? 'none' : order.startsWith('-') ? 'descending' : 'ascending') : undefined}
              >
                {c.by ? (
                  <button type="button" data-tip={c.tip} onClick={() => change({ sort: order === c.key ? `-${c.key}` : order === `-${c.key}` ? c.key : c.right ? `-${c.key}` : c.key }, true)}>
                    {c.title}
                  </button>
                ) : (
                  <span data-tip={c.tip}>{c.title}</span>
                )}
                {c.of ? <Mark of={c.of} /> : null}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted(rows, cols, order).map((row) => (
            <tr key={id(row)}>
              {cols.map((c, i) => {
                const cls = `${c.right ? 'right num' : ''} ${c.rank ? `rank${c.rank}` : ''}`;
                return i === 0 ? (
                  <th scope="row" class={cls} key={c.key}>
                    {c.cell(row)}
                  </th>
                ) : (
                  <td class={cls} key={c.key}>
                    {c.cell(row)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length ? null : empty}
    </div>
  );
}
