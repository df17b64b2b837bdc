// What surrounds every page: name, pages, node, range, clock and colours.
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Status } from '../lib/api';
import * as f from '../lib/format';
import { linkState, newBlock, status, type Link } from '../lib/live';
import { use } from '../lib/store';
import { change, chosen, link, newest, range, RANGES, view, zoom } from '../lib/view';
import { look } from './chart';

export const PAGES: [string, string][] = [
  ['overview', 'Overview'],
  ['peers', 'Peers'],
  ['blocks', 'Blocks'],
  ['transactions', 'Transactions'],
  ['messages', 'Messages'],
  ['query', 'Query'],
  ['sensor', 'Sensor'],
];

/** Pages whose figures are of a range. */
const RANGED = new Set(['overview', 'blocks', 'transactions', 'sensor']);

const kept = {
  get(key: string): string | null {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  },
  set(key: string, value: string): void {
    try {
      localStorage.setItem(key, value);
    } catch {
      // Not kept, then.
    }
  },
};

const THEMES = ['auto', 'light', 'dark'] as const;
type Theme = (typeof THEMES)[number];
const SIGNS: Record<Theme, string> = { auto: '◐', light: '☀', dark: '☾' };

const dark = matchMedia('(prefers-color-scheme: dark)');

function keptTheme(): Theme {
  const theme = kept.get('theme') as Theme | null;
  return theme && THEMES.includes(theme) ? theme : 'auto';
}

/** The page is always told which of the two it has, so that each palette stands once in the styles. */
function dress(theme: Theme): void {
  const auto = dark.matches ? 'dark' : 'light';
  document.documentElement.setAttribute('data-theme', theme === 'auto' ? auto : theme);
  look.set(look.get() + 1);
}

export function firstLook(): void {
  dress(keptTheme());
  f.setUtc(kept.get('clock') !== 'local');
  dark.addEventListener('change', () => dress(keptTheme()));
}

export function Shell({ children }: { children: ComponentChildren }) {
  const v = use(view);
  const now = use(status);
  use(look);
  const block = use(newBlock);
  // On a phone the pages' names are wider than the screen.
  useEffect(() => document.querySelector('.top nav [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' }), [v.page]);
  return (
    <>
      <a class="skip" href="#main" onClick={(e) => (e.preventDefault(), document.querySelector<HTMLElement>('#main h1')?.focus())}>
        Skip to the page
      </a>
      <header class="top">
        <a class="brand" href={link('overview')} aria-label="btcdmon, overview">
          <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
            <path d="M2 17h6l3-10 6 19 4-13 2 4h7" fill="none" stroke="currentColor" stroke-width="3" stroke-linecap="round" stroke-linejoin="round" />
          </svg>
          <b>btcdmon</b>
        </a>
        <nav aria-label="Pages">
          {PAGES.map(([page, name]) => (
            <a key={page} href={link(page)} aria-current={v.page === page ? 'page' : undefined}>
              {name}
            </a>
          ))}
        </nav>
        <Health now={now} />
        <Looks />
      </header>
      {RANGED.has(v.page) && !v.arg ? <Ranges now={now} /> : (now?.nodes.length ?? 0) > 1 ? <section class="ranges" aria-label="Node"><Nodes now={now} /></section> : null}
      <main id="main">{children}</main>
      <footer class="foot">
        <span>
          <i class="mark inferred">∴</i> inferred, <i class="mark estimated">≈</i> estimated: the rule is told at the mark; all else is read off the wire
        </span>
        <a href="/api/openapi.json">API</a>
        <span>{now ? `btcdmon ${now.version}` : ''}</span>
      </footer>
      <div class="unseen" role="status">
        {block ? `New block ${block.height ?? ''}` : ''}
      </div>
    </>
  );
}

const TELL: Record<Link, string> = { connecting: 'connecting', live: 'live', ended: 'replayed', lost: 'no answer' };

function Health({ now }: { now: Status | null }) {
  const state = use(linkState);
  const text = state === 'live' && now?.mode === 'replay' ? `replay${now.speed ? ` ${now.speed}×` : ''}` : TELL[state];
  const tip = state === 'lost' ? 'The sensor does not answer; the page tries again by itself.' : now ? `Newest: ${f.moment(newest(now))}` : '';
  return (
    <span class={`health ${state}`} data-tip={tip} tabIndex={0}>
      <i class="dot" aria-hidden="true" />
      {text}
      <span class="num clock">{now ? f.clock(now.time) : ''}</span>
    </span>
  );
}

function Looks() {
  const [theme, set] = useState(keptTheme);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? 'auto';
  return (
    <span class="looks">
      <button
        type="button"
        class="quiet"
        data-tip={f.isUtc() ? 'Times are UTC; show local ones' : 'Times are local; show UTC'}
        aria-label={f.isUtc() ? 'Times are UTC; show local ones' : 'Times are local; show UTC'}
        onClick={() => {
          f.setUtc(!f.isUtc());
          kept.set('clock', f.isUtc() ? 'utc' : 'local');
          look.set(look.get() + 1);
        }}
      >
        {f.isUtc() ? 'UTC' : 'local'}
      </button>
      <button
        type="button"
        class="quiet"
        id="theme"
        aria-label={`Colours: ${theme}; change to ${next}`}
        data-tip={`Colours: ${theme}`}
        onClick={() => {
          set(next);
          kept.set('theme', next);
          dress(next);
        }}
      >
        {SIGNS[theme]}
      </button>
    </span>
  );
}

function Nodes({ now }: { now: Status | null }) {
  const v = use(view);
  if (!now || now.nodes.length < 2) return null;
  return (
    <label class="nodes">
      <span>Node</span>
      <select value={v.params.node ?? now.nodes[0]?.name} onChange={(e) => change({ node: e.currentTarget.value })}>
        {now.nodes.map((n) => (
          <option key={n.name} value={n.name}>
            {n.name}
          </option>
        ))}
      </select>
    </label>
  );
}

function Ranges({ now }: { now: Status | null }) {
  const v = use(view);
  const [, again] = useState(0);
  useEffect(() => look.watch(() => again((n) => n + 1)), []);
  const r = now?.time ? range(v, now) : null;
  const name = now ? chosen(v, now) : '';
  const go = (a: number, b: number): void => zoom(a, b);
  return (
    <section class="ranges" aria-label="Time range">
      <Nodes now={now} />
      <span class="tabs">
        {RANGES.map(([key, label]) => (
          <button type="button" key={key} aria-label={`Last ${label}`} aria-pressed={name === key} onClick={() => change({ range: key, from: '', to: '' })}>
            <span class="long">{label}</span>
            <span class="short" data-short={key} aria-hidden="true" />
          </button>
        ))}
      </span>
      <span class="tabs">
        {(
          [
            ['‹', 'Earlier', -0.5, -0.5],
            ['›', 'Later', 0.5, 0.5],
            ['+', 'Zoom in', 0.25, -0.25],
            ['−', 'Zoom out', -0.5, 0.5],
          ] as const
        ).map(([sign, label, a, b]) => (
          <button type="button" key={label} aria-label={label} data-tip={label} disabled={!r} onClick={() => r && go(r.from + a * (r.to - r.from), r.to + b * (r.to - r.from))}>
            {sign}
          </button>
        ))}
      </span>
      <span class="num span">
        {r ? `${f.moment(r.from).slice(0, 19)} – ${f.clock(r.to, r.from)}${f.isUtc() ? ' UTC' : ''} · ${f.age(r.to - r.from)}` : ''}
      </span>
      {v.params.from ? (
        <button type="button" onClick={() => history.back()}>
          Back
        </button>
      ) : (
        <span class="note hint">drag on a chart to zoom</span>
      )}
    </section>
  );
}
