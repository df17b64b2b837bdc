// Small things that every page uses.
import type { ComponentChildren } from 'preact';
import { useColumn } from '../lib/meta';
import { link } from '../lib/view';
import * as f from '../lib/format';
import { use } from '../lib/store';
import { status } from '../lib/live';

const SIGN = { inferred: '∴', estimated: '≈' } as const;

/**
 * The mark of a figure that was not read off the wire, with its rule. `of` is `series.column`; `kind` is given where
 * that depends on the row: the tag `transport` tells by which rule figures of encrypted connections are estimated.
 */
export function Mark({ of, kind }: { of: string; kind?: 'estimated' }) {
  const column = useColumn(of);
  const shown = kind ?? column?.kind;
  if (!column || !shown || shown === 'exact') return null;
  return <MarkOf kind={shown} rule={column.help} />;
}

export function MarkOf({ kind, rule }: { kind: 'inferred' | 'estimated'; rule: string }) {
  const text = `${kind === 'inferred' ? 'Inferred' : 'Estimated'}: ${rule}`;
  return (
    <button type="button" class={`mark ${kind}`} data-tip={text} aria-label={text}>
      {SIGN[kind]}
    </button>
  );
}

/** A figure with its exact value on hover. */
export function Num({ text, exact, unit = '' }: { text: string; exact?: number | null; unit?: string }) {
  if (exact === null || exact === undefined) return <span class="num none">{text}</span>;
  return (
    <span class="num" data-tip={`${f.int(exact)}${unit ? ` ${unit}` : ''}`}>
      {text}
    </span>
  );
}

export const Bytes = ({ n }: { n: number | null | undefined }) => <Num text={f.bytes(n)} exact={n} unit="bytes" />;
export const Count = ({ n, unit }: { n: number | null | undefined; unit?: string }) => <Num text={f.count(n)} exact={n} unit={unit} />;
export const Span = ({ us }: { us: number | null | undefined }) => <Num text={f.span(us)} exact={us} unit="µs" />;
export const Sat = ({ n }: { n: number | null | undefined }) => <Num text={f.sat(n)} exact={n} unit="sat" />;

/** How long ago, by the clock of the data, not of the browser; the moment itself on hover. */
export function Ago({ at, bare }: { at: number | null | undefined; bare?: boolean }) {
  const now = use(status)?.time ?? 0;
  if (at === null || at === undefined) return <span class="num none">{f.NONE}</span>;
  return (
    <span class="num" data-tip={f.moment(at)}>
      {f.age(now - at)}
      {bare ? '' : ' ago'}
    </span>
  );
}

export function Moment({ at }: { at: number | null | undefined }) {
  const now = use(status)?.time ?? 0;
  if (at === null || at === undefined) return <span class="num none">{f.NONE}</span>;
  return (
    <time class="num" dateTime={new Date(at / 1000).toISOString()} data-tip={`${f.moment(at)}, ${f.age(now - at)} ago`}>
      {f.clock(at, now)}
    </time>
  );
}

export function Hash({ h, page, n = 8 }: { h: string | null | undefined; page?: string; n?: number }) {
  if (!h) return <span class="none">{f.NONE}</span>;
  const text = f.hash(h, n);
  return page ? (
    <a class="hash" href={link(page, h)} data-tip={h}>
      {text}
    </a>
  ) : (
    <span class="hash" data-tip={h}>
      {text}
    </span>
  );
}

/** Why there is nothing here, and what to do about it. */
export function Empty({ children, todo }: { children: ComponentChildren; todo?: ComponentChildren }) {
  return (
    <div class="empty">
      <p>{children}</p>
      {todo ? <p class="todo">{todo}</p> : null}
    </div>
  );
}

export function Trouble({ text }: { text: string | null }) {
  return text ? (
    <p class="trouble" role="alert">
      {text}
    </p>
  ) : null;
}

export function Heading({ children, sub }: { children: ComponentChildren; sub?: ComponentChildren }) {
  return (
    <div class="heading">
      <h1 tabIndex={-1}>{children}</h1>
      {sub ? <p>{sub}</p> : null}
    </div>
  );
}

/** Names and values, side by side. */
export function Facts({ rows }: { rows: [string, ComponentChildren, string?][] }) {
  return (
    <dl class="facts">
      {rows.map(([name, value, of]) => (
        <div key={name}>
          <dt>
            {name}
            {of ? <Mark of={of} /> : null}
          </dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Bars of shares, the largest first. */
export function Bars({ rows, unit, tone }: { rows: { name: string; value: number; tip?: string; tone?: number }[]; unit?: string; tone?: number }) {
  const most = Math.max(1, ...rows.map((r) => r.value));
  return (
    <ul class="bars">
      {rows.map((r) => (
        <li key={r.name} data-tip={r.tip ?? `${r.name}: ${f.int(r.value)}${unit ? ` ${unit}` : ''}`}>
          <span class="name">{r.name}</span>
          <span class="bar" aria-hidden="true">
            <span style={{ width: `${(r.value / most) * 100}%`, background: `var(--c${r.tone ?? tone ?? 0})` }} />
          </span>
          <span class="num">{f.count(r.value)}</span>
        </li>
      ))}
    </ul>
  );
}
