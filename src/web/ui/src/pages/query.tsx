import { useEffect, useRef, useState } from 'preact/hooks';
import type { Cell, Series, Table as Answer } from '../lib/api';
import { ApiError, address, get } from '../lib/api';
import * as f from '../lib/format';
import * as meta from '../lib/meta';
import { use } from '../lib/store';
import { change, view } from '../lib/view';
import { Empty, Heading, MarkOf, Trouble } from '../parts/bits';
import { Chart, type Model } from '../parts/chart';
import { Frame } from '../parts/panel';

const EXAMPLES: [string, string][] = [
  ['Newest blocks', 'SELECT rfc3339(time) AS time, height, size, num_tx, total_tx_fees, via\nFROM processed_blocks\nORDER BY processed_blocks.time DESC LIMIT 20'],
  ['Messages a minute', 'SELECT time_bucket(1m, time) AS time, sum(inv) AS inv, sum(tx) AS tx\nFROM msg_recv\nGROUP BY 1 ORDER BY 1'],
  ['Who calls', "SELECT user_agent, count(*) AS connections\nFROM peers WHERE direction = 'inbound'\nGROUP BY user_agent ORDER BY connections DESC"],
  ['Fee rates', 'SELECT percentile(fee_rate, 10) AS p10, percentile(fee_rate, 50) AS p50, percentile(fee_rate, 90) AS p90\nFROM tx_fees'],
  ['Types of outputs', 'SELECT script_type, count(*) AS outputs, sum(value) / 1e8 AS btc\nFROM tx_outputs\nGROUP BY script_type ORDER BY outputs DESC'],
  ['Bandwidth', 'SELECT time, (bytes_recv - lag(bytes_recv) OVER w) * 1e9 / (time - lag(time) OVER w) AS received\nFROM bandwidth WINDOW w AS (PARTITION BY node ORDER BY time)'],
];

const LIMIT = 1000;

export function Query() {
  const { sql = '', show = 'table' } = use(view).params;
  const [text, edit] = useState(sql || (EXAMPLES[0]?.[1] ?? ''));
  const [answer, set] = useState<Answer | null>(null);
  const [error, fail] = useState<string | null>(null);
  const [busy, wait] = useState(false);
  const area = useRef<HTMLTextAreaElement>(null);

  const run = (query: string): void => {
    change({ sql: query }, true);
    wait(true);
    get<Answer>('query', { sql: query, limit: LIMIT }).then(
      (a) => {
        set(a);
        fail(null);
        wait(false);
      },
      (e: unknown) => {
        fail(e instanceof ApiError ? e.message : 'The sensor does not answer.');
        wait(false);
      },
    );
  };
  // A link that holds a query shows its answer.
  useEffect(() => {
    if (sql) run(sql);
  }, []);

  const insert = (word: string): void => {
    const at = area.current;
    if (!at) return;
    at.setRangeText(word, at.selectionStart, at.selectionEnd, 'end');
    edit(at.value);
    at.focus();
  };
  const charted = answer ? asModel(answer) : null;
  return (
    <>
      <Heading sub="SQL on the store: it reads only, for 5 seconds at most. Times are nanoseconds since 1970.">Query</Heading>
      <div class="split">
        <div>
          <form
            class="editor"
            onSubmit={(e) => {
              e.preventDefault();
              run(text);
            }}
          >
            <label class="unseen" for="sql">
              SQL
            </label>
            <textarea
              id="sql"
              ref={area}
              rows={7}
              spellcheck={false}
              autocomplete="off"
              value={text}
              onInput={(e) => edit(e.currentTarget.value)}
              onKeyDown={(e) => {
                if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) {
                  e.preventDefault();
                  run(text);
                }
              }}
            />
            <div class="filters">
              <button type="submit" class="main" disabled={busy || !text.trim()} data-tip="Ctrl+Enter">
                {busy ? 'Running …' : 'Run'}
              </button>
              <label>
                <span class="unseen">Examples</span>
                <select
                  value=""
                  onChange={(e) => {
                    const chosen = EXAMPLES.find(([name]) => name === e.currentTarget.value)?.[1];
                    if (!chosen) return;
                    edit(chosen);
                    run(chosen);
                  }}
                >
                  <option value="">Examples</option>
                  {EXAMPLES.map(([name]) => (
                    <option key={name}>{name}</option>
                  ))}
                </select>
              </label>
              <span class="tabs" role="group" aria-label="Show the result as">
                {['table', 'chart'].map((k) => (
                  <button type="button" key={k} aria-pressed={show === k} onClick={() => change({ show: k }, true)}>
                    {k}
                  </button>
                ))}
              </span>
              <a class="button" href={address('query', { sql: text, limit: 10_000, format: 'csv' })} download="btcdmon.csv">
                CSV
              </a>
              <output class="note">{answer ? `${f.int(answer.rows.length)} rows${answer.truncated ? ' (more were cut off)' : ''} in ${f.int(Math.round(answer.elapsed_ms))} ms` : ''}</output>
            </div>
          </form>
          <Trouble text={error} />
          {answer && show === 'table' ? <Result a={answer} /> : null}
          {answer && show === 'chart' ? (
            charted ? (
              <Frame id="result" title="Result">
                <Chart title="Result" model={charted} from={charted.time[0] ?? 0} to={(charted.time[charted.time.length - 1] ?? 0) + charted.step} />
              </Frame>
            ) : (
              <Empty todo="Let the first column be a time in ascending order, and the others numbers.">This result is no chart.</Empty>
            )
          ) : null}
          {!answer && !error ? <Empty todo="Choose an example, or write your own with the reference beside.">Nothing was asked yet.</Empty> : null}
        </div>
        <Reference insert={insert} />
      </div>
    </>
  );
}

function Result({ a }: { a: Answer }) {
  const right = a.columns.map((_, i) => a.rows.some((r) => typeof r[i] === 'number') && a.rows.every((r) => r[i] === null || typeof r[i] === 'number'));
  if (!a.rows.length) return <Empty>The query has no rows.</Empty>;
  return (
    <div class="scroll result" tabIndex={0} role="region" aria-label="Result">
      <table class="rows">
        <thead>
          <tr>
            {a.columns.map((c, i) => (
              <th scope="col" key={i} class={right[i] ? 'right' : ''}>
                {c}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {a.rows.map((r, k) => (
            <tr key={k}>
              {r.map((v, i) => (
                <td key={i} class={right[i] ? 'num right' : ''}>
                  {v === null ? <span class="none">null</span> : String(v)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The first column of times, the other numbers as lines. */
function asModel(a: Answer): Model | null {
  const ns = (v: Cell | undefined): number | null => (typeof v === 'number' ? v / 1000 : typeof v === 'string' && /^\d{4}-\d\d-\d\dT/.test(v) ? Date.parse(v) * 1000 : null);
  const rows = a.rows.filter((r) => ns(r[0]) !== null).sort((x, y) => (ns(x[0]) ?? 0) - (ns(y[0]) ?? 0));
  const time = rows.map((r) => ns(r[0]) ?? 0);
  const lines = a.columns
    .map((label, i) => ({ label, i }))
    .filter(({ i }) => i > 0 && rows.some((r) => typeof r[i] === 'number'))
    .map(({ label, i }, k) => ({ label, values: rows.map((r) => (typeof r[i] === 'number' ? (r[i] as number) : null)), tone: k % 10, draw: 'line' as const, format: f.count }));
  if (time.length < 2 || !lines.length) return null;
  return { time, step: Math.max(1, (time[1] ?? 0) - (time[0] ?? 0)), lines };
}

function Reference({ insert }: { insert: (word: string) => void }) {
  const all = use(meta.series);
  const [find, look] = useState('');
  const needle = find.toLowerCase();
  const fits = (s: Series): boolean => !needle || s.name.includes(needle) || s.help.toLowerCase().includes(needle) || s.columns.some((c) => c.name.includes(needle) || c.help.toLowerCase().includes(needle));
  return (
    <aside class="reference" aria-label="Series">
      <label>
        <span>Series</span>
        <input type="search" value={find} placeholder="find a column" onInput={(e) => look(e.currentTarget.value)} />
      </label>
      {all.filter(fits).map((s) => (
        <details key={s.name} open={needle !== '' && all.filter(fits).length < 4}>
          <summary>
            <code>{s.name}</code> <small>{s.point === 'event' ? 'a point an event' : 'a point an interval'}</small>
          </summary>
          <p>{s.help}</p>
          <ul>
            {s.columns
              .filter((c) => !needle || s.name.includes(needle) || c.name.includes(needle) || c.help.toLowerCase().includes(needle))
              .map((c) => (
                <li key={c.name}>
                  <button type="button" class="plain" data-tip={c.help} onClick={() => insert(c.name)}>
                    <code>{c.name}</code>
                  </button>
                  {c.kind !== 'exact' ? <MarkOf kind={c.kind} rule={c.help} /> : null} <small>{c.tag ? 'tag' : c.unit || c.type}</small>
                </li>
              ))}
          </ul>
        </details>
      ))}
      {all.length ? null : <p class="none">asking …</p>}
    </aside>
  );
}
