// A chart: uPlot on a canvas, a legend that tells the values under the pointer, and the same figures as a table.
import { useEffect, useId, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import * as f from '../lib/format';
import { store, use } from '../lib/store';
import { zoom } from '../lib/view';
import { Mark } from './bits';

export type Draw = 'line' | 'step' | 'area' | 'bars' | 'dots';

export interface ChartLine {
  label: string;
  values: (number | null)[];
  /** Which of the palette's colours. */
  tone: number;
  draw: Draw;
  format: (n: number | null) => string;
  /** Shorter, for the axis. */
  axis?: (n: number | null) => string;
  /** The second axis, for another unit. */
  right?: boolean;
  /** `series.column`, when that may be inferred or estimated. */
  of?: string;
  /** Estimated because of its tags, whatever the column is. */
  kind?: 'estimated';
  /** What the legend tells while nobody points: the last value, or the sum of all. */
  total?: boolean;
}

export interface Model {
  /** Starts of the steps, microseconds. */
  time: number[];
  step: number;
  lines: ChartLine[];
  /** Each line stands on the one before it. */
  stacked?: boolean;
  /** The axis need not begin at 0. */
  loose?: boolean;
}

/** Changes when colours or clock change, so that charts are drawn again. */
export const look = store(0);

const HEIGHT = 176;
/** What is counted in whole numbers, and the steps of its axis: 1, 2, 5, 10 … */
const COUNTED: unknown[] = [f.int, f.count, f.bytes, f.sat];
const WHOLE = Array.from({ length: 13 }, (_, k) => [1, 2, 5].map((n) => n * 10 ** k)).flat();
const AXIS = 58;
const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function rest(line: ChartLine): number | null {
  if (line.total) return line.values.reduce<number | null>((sum, v) => (v === null ? sum : (sum ?? 0) + v), null);
  for (let i = line.values.length - 1; i >= 0; i -= 1) if (line.values[i] !== null) return line.values[i] ?? null;
  return null;
}

/** The value at a step; what is drawn as a line goes on from the last known one. */
function valueAt(line: ChartLine, i: number): number | null {
  const now = line.values[i] ?? null;
  if (now !== null || line.draw === 'bars' || line.draw === 'dots' || line.draw === 'area') return now;
  for (let k = i - 1; k >= 0; k -= 1) if (line.values[k] !== null) return line.values[k] ?? null;
  return null;
}

/** What is drawn: in a stack the sums, the highest first so that the others lie before it. */
function drawn(model: Model, hidden: ReadonlySet<string>): { line: ChartLine; values: (number | null)[] }[] {
  const lines = model.lines.filter((l) => !hidden.has(l.label));
  if (!model.stacked) return lines.map((line) => ({ line, values: line.values }));
  const sums = new Array<number>(model.time.length).fill(0);
  const some = new Array<boolean>(model.time.length).fill(false);
  return lines
    .map((line) => ({
      line,
      values: line.values.map((v, i) => {
        if (v !== null) some[i] = true;
        sums[i] = (sums[i] ?? 0) + (v ?? 0);
        return some[i] ? (sums[i] ?? null) : null;
      }),
    }))
    .reverse();
}

function options(model: Model, shown: ChartLine[], width: number, range: { current: [number, number] }, point: (i: number | null) => void): uPlot.Options {
  const muted = colour('--muted');
  const grid = { stroke: colour('--line'), width: 1 };
  const bars = uPlot.paths.bars?.({ size: [0.82, 48], align: 1, gap: 1 });
  const stepped = uPlot.paths.stepped?.({ align: 1 });
  const right = shown.find((l) => l.right);
  const left = shown.find((l) => !l.right);
  const axis = (line: ChartLine, scale: string): uPlot.Axis => ({
    scale,
    side: scale === 'r' ? 1 : 3,
    size: AXIS,
    gap: 4,
    stroke: muted,
    font: '11px system-ui, sans-serif',
    grid: scale === 'r' ? { show: false } : grid,
    ticks: { show: false },
    space: 34,
    ...(COUNTED.includes(line.format) ? { incrs: WHOLE } : {}),
    values: (_u, marks) => marks.map((m) => (line.axis ?? line.format)(m)),
  });
  const y: uPlot.Scale = { range: (_u, min, max) => span(min, max, model.loose ?? false) };
  return {
    width,
    height: HEIGHT,
    padding: [8, right ? 0 : 10, 0, 0],
    tzDate: (s) => (f.isUtc() ? uPlot.tzDate(new Date(s * 1000), 'Etc/UTC') : new Date(s * 1000)),
    legend: { show: false },
    cursor: {
      drag: { x: true, y: false, setScale: false },
      sync: { key: 'btcdmon', setSeries: false },
      points: { size: 6 },
      bind: {
        dblclick: () => () => {
          const [from, to] = range.current;
          zoom(from - (to - from) / 2, to + (to - from) / 2);
          return null;
        },
      },
    },
    scales: { x: { time: true, range: () => [range.current[0] / 1e6, range.current[1] / 1e6] }, y, r: y },
    axes: [
      { stroke: muted, grid, ticks: { show: false }, font: '11px system-ui, sans-serif', size: 26, gap: 4, space: 58, values: clockAxis },
      ...(left ? [axis(left, 'y')] : []),
      ...(right ? [axis(right, 'r')] : []),
    ],
    series: [
      {},
      ...shown.map((l): uPlot.Series => {
        const stroke = colour(`--c${l.tone}`);
        const solid = l.draw === 'bars' || (l.draw === 'area' && model.stacked);
        return {
          label: l.label,
          scale: l.right ? 'r' : 'y',
          stroke: solid ? colour('--panel') : stroke,
          width: l.draw === 'dots' || l.draw === 'bars' ? 0 : solid ? 1 : 1.5,
          fill: solid ? stroke : l.draw === 'area' ? `${stroke}26` : undefined,
          paths: l.draw === 'bars' ? bars : l.draw === 'step' ? stepped : undefined,
          spanGaps: l.draw !== 'bars' && l.draw !== 'dots',
          points: { show: l.draw === 'dots' || (l.draw !== 'bars' && sparse(l)), size: l.draw === 'dots' ? 6 : 4, fill: stroke, stroke },
        };
      }),
    ],
    hooks: {
      setSelect: [
        (u) => {
          if (u.select.width < 4) return;
          const a = u.posToVal(u.select.left, 'x') * 1e6;
          const b = u.posToVal(u.select.left + u.select.width, 'x') * 1e6;
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          zoom(a, b);
        },
      ],
      setLegend: [(u) => point(u.cursor.idx ?? null)],
    },
  };
}

/** Few values are seen as points: a line of one would be nothing. */
const sparse = (l: ChartLine): boolean => l.values.filter((v) => v !== null).length < 24;

function span(min: number | null, max: number | null, loose: boolean): [number, number] {
  if (min === null || max === null || !Number.isFinite(min) || !Number.isFinite(max)) return [0, 1];
  if (loose) {
    const room = Math.max((max - min) * 0.1, 1);
    return [Math.max(0, min - room), max + room];
  }
  return [Math.min(0, min), max <= 0 ? 1 : max * 1.08];
}

function clockAxis(_u: uPlot, marks: number[]): string[] {
  const wide = (marks[marks.length - 1] ?? 0) - (marks[0] ?? 0);
  const gap = marks.length > 1 ? (marks[1] ?? 0) - (marks[0] ?? 0) : 60;
  return marks.map((m) => {
    const text = f.clock(m * 1e6, gap >= 86_400 || wide > 86_400 ? 0 : undefined);
    if (gap >= 86_400) return text.slice(0, 10);
    return wide > 86_400 ? text.slice(5, 16) : gap >= 60 ? text.slice(0, 5) : text;
  });
}

interface Props {
  title: string;
  model: Model;
  from: number;
  to: number;
  asTable?: boolean;
}

export function Chart({ title, model, from, to, asTable }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const values = useRef<(HTMLElement | null)[]>([]);
  const when = useRef<HTMLElement>(null);
  const spoken = useRef<HTMLElement>(null);
  const [hidden, hide] = useState<ReadonlySet<string>>(new Set<string>());
  const shownRange = useRef<[number, number]>([from, to]);
  shownRange.current = [from, to];
  const version = use(look);
  const id = useId();
  const layers = useMemo(() => drawn(model, hidden), [model, hidden]);
  const said = useMemo(() => summary(title, model), [title, model]);
  const total = model.lines.some((l) => l.total);

  const tell = (i: number | null): void => {
    model.lines.forEach((l, k) => {
      const at = values.current[k];
      if (at) at.textContent = l.format(i === null ? rest(l) : valueAt(l, i));
    });
    if (when.current) when.current.textContent = i === null ? (total ? 'in this range' : 'newest') : f.clock(model.time[i], to);
  };
  const telling = useRef(tell);
  telling.current = tell;
  useEffect(() => tell(plot.current?.cursor.idx ?? null), [model, hidden, version]);

  // The lines and colours make the chart; a new range and new values are put into it.
  const shape = `${version} ${model.stacked} ${asTable} ${layers.map((l) => `${l.line.label}/${l.line.tone}/${l.line.draw}/${l.line.right}/${sparse(l.line)}`).join()}`;
  useEffect(() => {
    const at = box.current;
    if (!at) return;
    const data: uPlot.AlignedData = [model.time.map((t) => t / 1e6), ...layers.map((l) => l.values)];
    const shown = layers.map((l) => l.line);
    const made = new uPlot(options(model, shown, at.clientWidth, shownRange, (i) => telling.current(i)), data, at);
    plot.current = made;
    const watch = new ResizeObserver(() => at.clientWidth > 0 && made.setSize({ width: at.clientWidth, height: HEIGHT }));
    watch.observe(at);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => {
    plot.current?.setData([model.time.map((t) => t / 1e6), ...layers.map((l) => l.values)], true);
  }, [layers, from, to]);

  const onKey = (e: KeyboardEvent): void => {
    const u = plot.current;
    if (!u || asTable) return;
    const last = model.time.length - 1;
    const now = u.cursor.idx ?? last;
    const move: Record<string, number> = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last };
    const to_ = move[e.key];
    if (to_ !== undefined) {
      const i = Math.min(Math.max(to_, 0), last);
      u.setCursor({ left: u.valToPos((model.time[i] ?? 0) / 1e6, 'x'), top: 10 });
      if (spoken.current) spoken.current.textContent = `${f.clock(model.time[i], to)}: ${model.lines.map((l) => `${l.label} ${l.format(valueAt(l, i))}`).join(', ')}`;
    } else if (e.key === '+' || e.key === '-') {
      const middle = model.time[now] ?? (from + to) / 2;
      const half = (to - from) * (e.key === '+' ? 0.25 : 1);
      zoom(middle - half, middle + half);
    } else return;
    e.preventDefault();
  };

  return (
    <div class="chart">
      {asTable ? (
        <Values title={title} model={model} near={to} />
      ) : (
        <div
          class="plot"
          ref={box}
          tabIndex={0}
          role="img"
          aria-label={said}
          aria-describedby={`${id}keys`}
          onKeyDown={onKey}
        />
      )}
      <span id={`${id}keys`} hidden>
        Arrow keys tell the values, plus and minus zoom.
      </span>
      <span class="unseen" aria-live="polite" ref={spoken} />
      <div class="legend">
        <span class="when" ref={when} />
        {model.lines.map((l, k) => (
          <span class="key" key={l.label}>
            <button
              type="button"
              aria-pressed={!hidden.has(l.label)}
              onClick={() => hide((h) => new Set(h.has(l.label) ? [...h].filter((x) => x !== l.label) : [...h, l.label]))}
            >
              <i class="dot" style={{ background: `var(--c${l.tone})` }} />
              {l.label}
            </button>
            {l.of ? <Mark of={l.of} kind={l.kind} /> : null}
            <b class="num" ref={(e) => void (values.current[k] = e)} />
          </span>
        ))}
      </div>
    </div>
  );
}

function summary(title: string, model: Model): string {
  const lines = model.lines.map((l) => {
    const known = l.values.filter((v): v is number => v !== null);
    if (!known.length) return `${l.label}: no values`;
    return `${l.label}: ${l.format(Math.min(...known))} to ${l.format(Math.max(...known))}, last ${l.format(known[known.length - 1] ?? null)}`;
  });
  return `Chart, ${title}. ${lines.join('. ')}`;
}

/** The chart as a table, without the steps of which nothing is known. */
function Values({ title, model, near }: { title: string; model: Model; near: number }) {
  const rows = model.time.map((_, i) => i).filter((i) => model.lines.some((l) => l.values[i] !== null && l.values[i] !== undefined));
  return (
    <div class="scroll values" tabIndex={0} role="region" aria-label={`${title}, as a table`}>
      <table>
        <thead>
          <tr>
            <th scope="col">time</th>
            {model.lines.map((l) => (
              <th scope="col" class="right" key={l.label}>
                {l.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((i) => (
            <tr key={i}>
              <th scope="row" class="num">
                {f.clock(model.time[i], near)}
              </th>
              {model.lines.map((l) => (
                <td class="num right" key={l.label}>
                  {l.format(l.values[i] ?? null)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
