// A panel: a chart of what one or a few questions to the series answer. It asks when it comes into sight.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { get, type Figures } from '../lib/api';
import { newest, range, view, type Range } from '../lib/view';
import { status } from '../lib/live';
import { useAsk } from '../lib/load';
import * as f from '../lib/format';
import { use } from '../lib/store';
import { Chart, type Model } from './chart';
import { Empty, Trouble } from './bits';

export interface Question {
  series: string;
  columns: string[];
  agg: string;
  by?: string;
  where?: string[];
  /** Steps at most: few for bars, many for lines. */
  points?: number;
}

export interface PanelDef {
  id: string;
  title: string;
  /** What it shows, in a sentence. */
  help: string;
  ask: Question[];
  model: (answers: Figures[], range: Range) => Model | null;
  /** Why it may be empty, and what to do. */
  empty: string;
  todo?: string;
  /** Figures of the whole capture: asked without a node. */
  nodeless?: boolean;
}

/** The node that is looked at, by the address, else the first. */
export function useNode(): string {
  const name = use(view).params.node;
  const nodes = use(status)?.nodes ?? [];
  return (nodes.find((n) => n.name === name) ?? nodes[0])?.name ?? '';
}

export function useRange(): Range {
  const now = use(status);
  const v = use(view);
  return now ? range(v, now) : { from: 0, to: 1, moving: false };
}

/** Whether the element is on the screen or near it, and the page itself is looked at. */
function useSeen(): [preact.RefObject<HTMLElement | null>, boolean] {
  const at = useRef<HTMLElement>(null);
  const [near, set] = useState(false);
  const [hidden, hide] = useState(document.hidden);
  useEffect(() => {
    if (!at.current) return;
    const watch = new IntersectionObserver((entries) => set(entries[entries.length - 1]?.isIntersecting ?? false), { rootMargin: '200px' });
    watch.observe(at.current);
    const look = (): void => hide(document.hidden);
    document.addEventListener('visibilitychange', look);
    return () => {
      watch.disconnect();
      document.removeEventListener('visibilitychange', look);
    };
  }, []);
  return [at, near && !hidden];
}

/** Asks one question; several aggregates have commas between them. */
export async function ask(q: Question, r: Range, node: string, signal: AbortSignal): Promise<Figures> {
  const { series, points = 300, agg, ...rest } = q;
  const one = (how: string): Promise<Figures> =>
    get<Figures>(`series/${series}`, { ...rest, agg: how, columns: q.columns.join(','), from: r.from, to: r.to, points, node: node || undefined }, signal);
  // One request an aggregate; the steps are the same.
  const [first, ...more] = await Promise.all(agg.split(',').map(one));
  if (!first) throw new Error('no aggregate');
  return { ...first, lines: [first, ...more].flatMap((a) => a.lines) };
}

export function Panel({ def }: { def: PanelDef }) {
  const [at, seen] = useSeen();
  const [asTable, table] = useState(false);
  const node = useNode();
  const r = useRange();
  const known = use(status) !== null;
  // Out of sight the last answer will do.
  const key = useRef<string | null>(null);
  if (seen && known) key.current = `${def.id} ${node} ${r.from} ${r.to}`;
  // The chart keeps the range that its figures are of while the next ones are under way.
  const { data, error, busy } = useAsk(key.current, async (signal) => {
    const answers = await Promise.all(def.ask.map((q) => ask(q, r, def.nodeless ? '' : node, signal)));
    return { model: def.model(answers, r), from: r.from, to: r.to };
  });
  const model = data?.model ?? null;
  const some = model?.lines.some((l) => l.values.some((v) => v !== null)) ?? false;
  return (
    <Frame
      id={def.id}
      title={def.title}
      help={def.help}
      at={at}
      busy={busy}
      note={model && some ? (model.lines.some((l) => l.total) ? `per ${f.step(model.step)}` : '') : ''}
      tools={
        <button type="button" class="quiet" aria-pressed={asTable} onClick={() => table(!asTable)} data-tip={asTable ? 'Show as a chart' : 'Show as a table'} aria-label={`${def.title} as a table`}>
          {asTable ? '∿' : '☰'}
        </button>
      }
    >
      <Trouble text={error} />
      {model && some && data ? <Chart title={def.title} model={model} from={data.from} to={data.to} asTable={asTable} /> : null}
      {data && !some ? <Empty todo={def.todo}>{def.empty}</Empty> : null}
      {!data && !error ? <div class="waiting" /> : null}
    </Frame>
  );
}

interface FrameProps {
  id: string;
  title: string;
  help?: string;
  note?: string;
  busy?: boolean;
  tools?: ComponentChildren;
  at?: preact.RefObject<HTMLElement | null>;
  wide?: boolean;
  children: ComponentChildren;
}

export function Frame({ id, title, help, note, busy, tools, at, wide, children }: FrameProps) {
  return (
    <article class={`panel${wide ? ' wide' : ''}`} id={`panel-${id}`} ref={at} aria-labelledby={`title-${id}`} aria-busy={busy ? 'true' : undefined}>
      <header>
        <h3 id={`title-${id}`}>{title}</h3>
        {help ? (
          <button type="button" class="help" data-tip={help} aria-label={`About ${title}: ${help}`}>
            ?
          </button>
        ) : null}
        <span class="note">{note}</span>
        {tools}
      </header>
      <div class="body">{children}</div>
    </article>
  );
}

/** Panels under a heading that is only told: the page's own heading is near enough to see. */
export function Group({ name, of, children }: { name: string; of: 2 | 3; children: ComponentChildren }) {
  return (
    <section aria-label={name}>
      <h2 class="unseen">{name}</h2>
      <div class={`panels of${of}`}>{children}</div>
    </section>
  );
}

/** Lines of an answer whose tag has a value. */
export function tagged(answer: Figures, tag: string, value: string): Figures['lines'] {
  return answer.lines.filter((l) => l.tags[tag] === value);
}

export const endOfData = (): number => {
  const now = status.get();
  return now ? newest(now) : 0;
};
