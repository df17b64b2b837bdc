// The messages as they pass: a terminal's tcpdump, but decoded.
import { useEffect, useRef, useState } from 'preact/hooks';
import { address } from '../lib/api';
import * as f from '../lib/format';
import { status } from '../lib/live';
import { use } from '../lib/store';
import { change, view } from '../lib/view';
import { Empty, Heading, MarkOf } from '../parts/bits';
import { useNode } from '../parts/panel';

interface Message {
  n: number;
  time: number;
  node: string;
  peer: string;
  direction: 'recv' | 'sent';
  command: string;
  bytes: number;
  estimated: boolean;
  confidence?: number | null;
  fields?: Record<string, unknown>;
}

/** Whether a message passes the filters, as the sensor judges: rows of before a change are not shown. */
function fits(m: Message, node: string, peer: string, direction: string, command: string): boolean {
  const host = (address: string): string => address.replace(/:\d+$/, '').replace(/[[\]]/g, '');
  const commands = command.split(',').map((c) => c.trim()).filter(Boolean);
  return (
    (!node || m.node === node) &&
    (!peer || m.peer === peer || host(m.peer) === peer.replace(/[[\]]/g, '')) &&
    (!direction || m.direction === direction) &&
    (!commands.length || commands.includes(m.command))
  );
}

/** Rows kept: more than one reads, few enough for a phone. */
const KEPT = 400;
/** Between two drawings, milliseconds. */
const DRAW_MS = 250;

export function Messages() {
  const now = use(status);
  const node = useNode();
  const { peer = '', direction = '', command = '' } = use(view).params;
  const [rows, set] = useState<Message[]>([]);
  const [paused, pause] = useState(false);
  const [skipped, skip] = useState(0);
  const [seen, count] = useState(0);
  const [state, tell] = useState<'opening' | 'open' | 'lost'>('opening');
  const [open, show] = useState<number | null>(null);
  const waiting = useRef<Message[]>([]);
  const n = useRef(0);
  const known = now !== null;

  useEffect(() => {
    if (!known || paused) return;
    tell('opening');
    const source = new EventSource(address('messages', { node, peer, direction, command: command.replace(/\s+/g, ''), fields: true }));
    source.onopen = () => tell('open');
    source.onerror = () => tell('lost');
    source.addEventListener('message', (e) => {
      const m = JSON.parse((e as MessageEvent<string>).data) as Message;
      m.n = n.current += 1;
      waiting.current.push(m);
      if (waiting.current.length > KEPT) waiting.current.shift();
    });
    source.addEventListener('skipped', (e) => {
      const { count: more } = JSON.parse((e as MessageEvent<string>).data) as { count: number };
      skip((s) => s + more);
    });
    const timer = setInterval(() => {
      if (!waiting.current.length) return;
      const fresh = waiting.current;
      waiting.current = [];
      count(n.current);
      set((old) => [...fresh.reverse(), ...old].slice(0, KEPT));
    }, DRAW_MS);
    return () => {
      source.close();
      clearInterval(timer);
    };
  }, [known, node, peer, direction, command, paused]);

  const finished = now?.mode === 'replay' && now.finished;
  const shown = rows.filter((m) => fits(m, node, peer.trim(), direction, command));
  return (
    <>
      <Heading sub={paused ? 'Paused' : finished ? 'The replay is finished' : state === 'open' ? 'Live, newest first' : state === 'lost' ? 'The stream broke; trying again …' : 'opening the stream …'}>Messages</Heading>
      <form class="filters" onSubmit={(e) => e.preventDefault()}>
        <label>
          <span>Commands</span>
          <Typed name="command" value={command} placeholder="inv, tx, block" done={(command) => change({ command }, true)} />
        </label>
        <label>
          <span>Peer</span>
          <Typed name="peer" value={peer} placeholder="address, or address:port" done={(peer) => change({ peer }, true)} />
        </label>
        <label>
          <span>Way</span>
          <select name="direction" value={direction} onChange={(e) => change({ direction: e.currentTarget.value }, true)}>
            <option value="">both</option>
            <option value="recv">received</option>
            <option value="sent">sent</option>
          </select>
        </label>
        <button type="button" aria-pressed={paused} onClick={() => pause(!paused)}>
          {paused ? 'Go on' : 'Pause'}
        </button>
        <button
          type="button"
          onClick={() => {
            waiting.current = [];
            set([]);
            skip(0);
          }}
        >
          Clear
        </button>
        <output class="note">
          {f.int(seen)} shown{skipped ? `, ${f.int(skipped)} left out: more than the stream carries` : ''}
        </output>
      </form>
      <div class="scroll stream" tabIndex={0} role="region" aria-label="Messages">
        <table class="rows">
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col">Way</th>
              <th scope="col" class="rank1">Peer</th>
              <th scope="col">Command</th>
              <th scope="col" class="right">Bytes</th>
              <th scope="col" class="grow">What it says</th>
            </tr>
          </thead>
          <tbody>
            {shown.flatMap((m) => [
              <tr key={m.n} class={open === m.n ? 'open' : ''}>
                <td class="num" data-tip={f.moment(m.time)}>{f.clock(m.time, undefined, 3)}</td>
                <td>
                  <span class={`chip ${m.direction}`}>{m.direction === 'recv' ? '↓' : '↑'}<span class="unseen">{m.direction === 'recv' ? 'received' : 'sent'}</span></span>
                </td>
                <td class="rank1">
                  <button type="button" class="plain" data-tip="Only this peer" onClick={() => change({ peer: m.peer }, true)}>{m.peer}</button>
                </td>
                <td>
                  <button type="button" class="plain" data-tip="Only this command" onClick={() => change({ command: m.command }, true)}>{m.command}</button>
                  {m.estimated ? <MarkOf kind="estimated" rule={`told from the sizes, order and time of encrypted packets${m.confidence == null ? '' : `; confidence ${f.percent(m.confidence)}`}`} /> : null}
                </td>
                <td class="num right">{f.int(m.bytes)}</td>
                <td class="grow">
                  <button type="button" class="plain says" aria-expanded={open === m.n} onClick={() => show(open === m.n ? null : m.n)}>{says(m)}</button>
                </td>
              </tr>,
              open === m.n ? (
                <tr key={`${m.n}f`} class="fields">
                  <td colSpan={6}>
                    <Fields of={m.fields ?? {}} />
                  </td>
                </tr>
              ) : null,
            ])}
          </tbody>
        </table>
        {shown.length ? null : (
          <Empty todo={finished ? 'Watch it happen: btcdmon replay --serve --speed 1x FILE. Or list all: btcdmon messages --format text FILE.' : peer || direction || command ? 'Take a filter away, or wait.' : 'A quiet node pings each peer every two minutes.'}>
            {finished ? 'The replay is finished: no more messages pass.' : 'No message passed yet since this page was opened.'}
          </Empty>
        )}
      </div>
    </>
  );
}

/** A text that counts when it is done: until then it is the typist's, however often the page is drawn anew. */
function Typed({ name, value, placeholder, done }: { name: string; value: string; placeholder: string; done: (text: string) => void }) {
  const [text, type] = useState(value);
  useEffect(() => type(value), [value]);
  return <input type="search" name={name} value={text} placeholder={placeholder} onInput={(e) => type(e.currentTarget.value)} onChange={(e) => done(e.currentTarget.value)} />;
}

const DULL = new Set(['checksum', 'checksum_valid', 'command', 'connection', 'direction', 'first_byte_time', 'network', 'node', 'packet', 'payload_bytes', 'peer', 'stream_offset', 'time', 'transport', 'truncated', 'nonce', 'services', 'type', 'receiver', 'sender', 'sender_time', 'prev', 'block_version', 'stripped_size', 'weight', 'relay', 'stop']);
/** What is told first. */
const FIRST = ['user_agent', 'version', 'start_height', 'height', 'block', 'txid', 'count'];

function text(value: unknown): string {
  if (value === null || value === undefined) return f.NONE;
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.length === 1 ? text(value[0]) : `${value.length} × ${text(value[0])}`;
  if (typeof value === 'object') return Object.entries(value).map(([k, v]) => `${f.words(k)} ${text(v)}`).join(' ');
  const s = String(value);
  return /^[0-9a-f]{64}$/.test(s) ? f.hash(s) : s;
}

/** The fields that matter, on one line. */
function says(m: Message): string {
  const rank = (k: string): number => (FIRST.includes(k) ? FIRST.indexOf(k) : FIRST.length);
  const parts = Object.entries(m.fields ?? {}).filter(([k, v]) => !DULL.has(k) && v !== null).sort(([a], [b]) => rank(a) - rank(b)).map(([k, v]) => `${f.words(k)} ${text(v)}`);
  return parts.join(' · ').slice(0, 400) || '\u00a0';
}

function Fields({ of }: { of: Record<string, unknown> }) {
  return (
    <dl class="facts all">
      {Object.entries(of).map(([k, v]) => (
        <div key={k}>
          <dt>{f.words(k)}</dt>
          <dd class="code">{typeof v === 'object' && v !== null ? JSON.stringify(v, null, 1) : String(v)}</dd>
        </div>
      ))}
    </dl>
  );
}
