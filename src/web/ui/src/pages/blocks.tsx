import { useEffect, useRef, useState } from 'preact/hooks';
import type { Block, Step } from '../lib/api';
import { get } from '../lib/api';
import * as f from '../lib/format';
import { resumed, status, toldBlock } from '../lib/live';
import { useAsk } from '../lib/load';
import { use, useCalm } from '../lib/store';
import { link } from '../lib/view';
import { Bytes, Count, Empty, Facts, Hash, Heading, Mark, MarkOf, Moment, Sat, Span, Trouble } from '../parts/bits';
import { Frame, Group, Panel, useNode } from '../parts/panel';
import { Table, type Col } from '../parts/table';
import { BLOCK_SIZE, FEES_PER_BLOCK, PROCESS } from './panels';

/** How the block's data came, in words. */
function way(b: Block): { text: string; tone: string; tip: string } {
  switch (b.via) {
    case 'cmpctblock':
      return { text: 'rebuilt', tone: 'good', tip: 'A compact block, completed from the mempool alone' };
    case 'cmpctblock+blocktxn':
      return { text: `rebuilt, ${f.int(b.missing_tx)} asked for`, tone: 'fair', tip: `A compact block; ${f.int(b.missing_tx)} transactions (${f.bytes(b.missing_bytes)}) had to be asked for` };
    case 'block fallback':
      return { text: 'not rebuilt', tone: 'warn', tip: 'A compact block that the node could not complete: the whole block was asked for' };
    case 'block':
      return { text: 'whole', tone: '', tip: 'Sent whole, as in a download of the chain' };
    default:
      return { text: b.via ?? f.NONE, tone: '', tip: '' };
  }
}

const Way = ({ b }: { b: Block }) => {
  const w = way(b);
  return (
    <span class={`chip ${w.tone}`} data-tip={w.tip}>
      {w.text}
    </span>
  );
};

const ESTIMATED = 'The connection is encrypted (BIP 324): that a block came, how, of what size and how soon the node sent it on, is told from sizes, order and time; height, hash and all else cannot be told.';
const Est = ({ b }: { b: Block }) => (b.transport === 'v2' ? <MarkOf kind="estimated" rule={`${ESTIMATED} Confidence ${f.percent(b.confidence)}.`} /> : null);

const State = ({ s }: { s: string | null }) => (s ? <span class={`chip ${s === 'accepted' ? 'good' : s === 'rejected' ? 'warn' : ''}`}>{s}</span> : <span class="none">{f.NONE}</span>);

const COLS: Col<Block>[] = [
  { key: 'height', title: 'Height', by: (b) => b.height, cell: (b) => (b.hash ? <a href={link('blocks', b.hash)}>{f.int(b.height)}</a> : <span class="none">{f.NONE}</span>) },
  { key: 'time', title: 'Complete at', by: (b) => b.time, cell: (b) => <Moment at={b.time} /> },
  { key: 'hash', title: 'Hash', cell: (b) => <Hash h={b.hash} n={6} page="blocks" />, rank: 2 },
  { key: 'size', title: 'Size', right: true, by: (b) => b.size, cell: (b) => <><Bytes n={b.size} /><Est b={b} /></> },
  { key: 'num_tx', title: 'Tx', right: true, by: (b) => b.num_tx, cell: (b) => f.int(b.num_tx) },
  { key: 'fees', title: 'Fees', right: true, by: (b) => b.total_tx_fees, cell: (b) => <Sat n={b.total_tx_fees} />, rank: 1 },
  { key: 'announcer', title: 'Announced first by', by: (b) => b.first_announcer, cell: (b) => b.first_announcer ?? f.NONE, rank: 1 },
  { key: 'via', title: 'Came', by: (b) => b.via, cell: (b) => <><Way b={b} /><Est b={b} /></> },
  { key: 'complete', title: 'Announced to complete', right: true, by: (b) => b.announce_to_data, cell: (b) => <Span us={b.announce_to_data} />, rank: 2 },
  { key: 'process', title: 'Process', right: true, by: (b) => b.process_time, cell: (b) => <Span us={b.process_time} />, of: 'processed_blocks.process_time', rank: 1 },
  { key: 'relay', title: 'Relay', right: true, by: (b) => b.relay_time, cell: (b) => <><Span us={b.relay_time} />{b.relay_time === null ? null : <Est b={b} />}</>, of: 'processed_blocks.relay_time', rank: 1 },
  { key: 'status', title: 'Status', by: (b) => b.status, cell: (b) => <State s={b.status} />, of: 'processed_blocks.status', rank: 1 },
];

const PAGE = 100;
/** Seconds between two questions while the tip that was told is not in the list. */
const BEAT = 2;

function middle(xs: (number | null)[]): number | null {
  const known = xs.filter((x): x is number => x !== null).sort((a, b) => a - b);
  return known[Math.floor(known.length / 2)] ?? null;
}

/** What may become known of a block after it is told of first. */
const known = (b: Block | null): string => (b ? `${b.status} ${b.process_time} ${b.relay_time}` : '');

export function Blocks() {
  const now = use(status);
  const node = useNode();
  const b = use(toldBlock);
  const [before, older] = useState<number | null>(null);
  const tip = now?.nodes.find((n) => n.name === node)?.tip_hash ?? '';
  const told = useCalm(`${tip} ${b?.hash} ${known(b)} ${use(resumed)} ${now?.finished ? 'end' : ''}`, 1000);
  // The list may be made later than the tip is told: then it is asked for again at each beat.
  const late = useRef(false);
  const beat = useRef(0);
  if (late.current) beat.current = Math.floor((now?.time ?? 0) / (BEAT * 1e6));
  const { data, error } = useAsk(now ? `${node} ${told} ${before} ${beat.current}` : null, (signal) => get<{ blocks: Block[] }>('blocks', { node, limit: PAGE, before }, signal));
  const rows = data?.blocks ?? [];
  late.current = !before && !!tip && !!data && !rows.some((r) => r.hash === tip);
  // Of encrypted connections only that a block came is told.
  const read = rows.filter((b) => b.hash);
  const compact = read.filter((b) => b.via?.startsWith('cmpctblock') || b.via === 'block fallback');
  const rebuilt = compact.filter((b) => b.via === 'cmpctblock');
  return (
    <>
      <Heading sub={data ? `The last ${f.int(rows.length)}${before ? ` before ${f.moment(before)}` : ''}, newest first${read.length < rows.length ? `; ${f.int(rows.length - read.length)} on encrypted connections, estimated` : ''}` : 'asking …'}>Blocks</Heading>
      <section class="tiles small" aria-label="Of these blocks">
        <Small name="Rebuilt without asking" text={compact.length ? f.percent(rebuilt.length / compact.length) : f.NONE} sub={`${f.int(rebuilt.length)} of ${f.int(compact.length)} compact blocks`} />
        <Small name="Announced to complete" text={f.span(middle(rows.map((b) => b.announce_to_data)))} sub="median" />
        <Small name="Process time" of="processed_blocks.process_time" text={f.span(middle(rows.map((b) => b.process_time)))} sub="median" />
        <Small name="Relay time" of="processed_blocks.relay_time" text={f.span(middle(read.map((b) => b.relay_time)))} sub="median" />
      </section>
      <Group name="Over time" of={3}>
        <Panel def={PROCESS} />
        <Panel def={BLOCK_SIZE} />
        <Panel def={FEES_PER_BLOCK} />
      </Group>
      <Trouble text={error} />
      <div class="row">
        <h2>List</h2>
        <Table
          label="Blocks"
          cols={COLS}
          rows={rows}
          id={(b) => b.hash ?? `${b.time} ${b.size}`}
          first="-time"
          empty={data ? <Empty todo="On encrypted connections the blocks cannot be told: see Sensor.">{before ? 'No older block.' : 'No block came to the node since the sensor watches.'}</Empty> : <div class="waiting" />}
        />
        <p class="pager">
          {before ? (
            <button type="button" onClick={() => older(null)}>
              Newest
            </button>
          ) : null}
          {rows.length >= PAGE ? (
            <button type="button" onClick={() => older(rows[rows.length - 1]?.time ?? null)}>
              Older
            </button>
          ) : null}
        </p>
      </div>
    </>
  );
}

export function Small({ name, text, sub, of }: { name: string; text: string; sub: string; of?: string }) {
  return (
    <div class="tile">
      <h2>
        {name}
        {of ? <Mark of={of} /> : null}
      </h2>
      <div class="value">
        <strong>{text}</strong>
        <small>{sub}</small>
      </div>
    </div>
  );
}

export function OneBlock({ hash }: { hash: string }) {
  const now = use(status);
  const node = useNode();
  // Asked again when more is known of it; others that are told of meanwhile change nothing.
  const last = use(toldBlock);
  const more = useRef('');
  if (last?.hash === hash) more.current = known(last);
  const told = useCalm(`${more.current} ${use(resumed)} ${now?.finished ? 'end' : ''}`, 0);
  const { data: b, error, missing } = useAsk(now ? `${node} ${hash} ${told}` : null, (signal) => get<Block & { timeline?: Step[] }>(`blocks/${encodeURIComponent(hash)}`, { node }, signal));
  if (!b)
    return (
      <>
        <Heading>Block</Heading>
        {missing || error ? <Empty todo={<a href={link('blocks')}>All blocks</a>}>{missing ? 'The store has no block of this hash.' : error}</Empty> : <div class="waiting" />}
      </>
    );
  const steps = (b.timeline ?? []).slice().sort((x, y) => x.time - y.time);
  return (
    <>
      <nav class="crumbs" aria-label="Way back">
        <a href={link('blocks')}>Blocks</a>
      </nav>
      <Heading sub={<span class="hash whole">{b.hash}</span>}>Block {f.int(b.height)}</Heading>
      <Group name="What it is" of={3}>
        <Frame id="block" title="The block">
          <Facts
            rows={[
              ['Complete at', <Moment at={b.time} />],
              ['Size', <Bytes n={b.size} />],
              ['Weight', `${f.int(b.weight)} WU`],
              ['Transactions', <Count n={b.num_tx} />],
              ['Fees', <Sat n={b.total_tx_fees} />],
              ['Status', <State s={b.status} />, 'processed_blocks.status'],
            ]}
          />
        </Frame>
        <Frame id="came" title="How it came">
          <Facts
            rows={[
              ['Announced first by', b.first_announcer ?? f.NONE],
              ['Came', <Way b={b} />],
              ['Asked for', b.missing_tx === null ? f.NONE : `${f.int(b.missing_tx)} transaction${b.missing_tx === 1 ? '' : 's'}, ${f.bytes(b.missing_bytes)}`],
              ['Announced to complete', <Span us={b.announce_to_data} />],
            ]}
          />
        </Frame>
        <Frame id="went" title="How it went on">
          <Facts
            rows={[
              ['Process time', <Span us={b.process_time} />, 'processed_blocks.process_time'],
              ['Relay time', <Span us={b.relay_time} />, 'processed_blocks.relay_time'],
              ['Peers told or sent it', f.int(new Set(steps.filter((s) => s.direction === 'sent').map((s) => s.peer)).size)],
              ['Peers it came from', f.int(new Set(steps.filter((s) => s.direction === 'recv').map((s) => s.peer)).size)],
            ]}
          />
        </Frame>
      </Group>
      <div class="row">
        <h2>Timeline</h2>
        {steps.length ? (
          <>
            <Lanes steps={steps} complete={b.time} />
            <Table label="Timeline" cols={stepCols(steps[0]?.time ?? b.time)} rows={steps} id={(s) => `${s.time} ${s.peer} ${s.what} ${s.direction}`} first="time" empty={null} />
          </>
        ) : (
          <Empty>The steps of this block are no longer kept: those of the last 288 blocks are.</Empty>
        )}
      </div>
    </>
  );
}

const stepCols = (start: number): Col<Step>[] => [
  { key: 'time', title: 'After', by: (s) => s.time, cell: (s) => <span class="num" data-tip={f.moment(s.time)}>+{f.span(s.time - start)}</span> },
  { key: 'peer', title: 'Peer', by: (s) => s.peer, cell: (s) => s.peer },
  { key: 'direction', title: 'Way', by: (s) => s.direction, cell: (s) => <span class={`chip ${s.direction}`}>{s.direction === 'recv' ? '↓' : '↑'}<span class="rank1">{s.direction === 'recv' ? ' to the node' : ' from the node'}</span></span> },
  { key: 'what', title: 'Message', by: (s) => s.what, cell: (s) => s.what },
  { key: 'bytes', title: 'Bytes', right: true, by: (s) => s.bytes, cell: (s) => <Bytes n={s.bytes} /> },
];

const LANE = 22;
/** Pixels of a letter of a peer's name, of the axis' words, and the least width on which times can be told apart. */
const LETTER = 6.4;
const WORD = 50;
const LEAST = 260;

/** One lane a peer, time to the right: triangles down came to the node, up went from it; the line is the moment of complete data. */
function Lanes({ steps, complete }: { steps: Step[]; complete: number }) {
  const box = useRef<HTMLDivElement>(null);
  const [wide, measure] = useState(0);
  useEffect(() => {
    const at = box.current;
    if (!at) return;
    const watch = new ResizeObserver(([e]) => measure(Math.max(LEAST, Math.floor(e?.contentRect.width ?? 0))));
    watch.observe(at);
    return () => watch.disconnect();
  }, []);
  const peers = [...new Set(steps.map((s) => s.peer))];
  const name = Math.max(...peers.map((p) => p.length)) * LETTER + 12;
  const first = steps[0]?.time ?? complete;
  const last = Math.max(steps[steps.length - 1]?.time ?? complete, complete, first + 1);
  const x = (t: number): number => name + 10 + ((t - first) / (last - first)) * (wide - name - 20);
  const tall = peers.length * LANE + 26;
  return (
    <div class="scroll lanes" ref={box} tabIndex={0} role="region" aria-label="Timeline, drawn; the table below says the same">
      <svg width={wide} height={tall} role="img" aria-label={`${steps.length} steps with ${peers.length} peers in ${f.span(last - first)}`}>
        {peers.map((p, i) => (
          <g key={p}>
            <line class="lane" x1={name} x2={wide} y1={i * LANE + 14} y2={i * LANE + 14} />
            <text class="peer" x={name - 6} y={i * LANE + 18} text-anchor="end">
              {p}
            </text>
          </g>
        ))}
        <line class="complete" x1={x(complete)} x2={x(complete)} y1={0} y2={tall - 18} />
        {steps.map((s, i) => {
          const cx = x(s.time);
          const cy = peers.indexOf(s.peer) * LANE + 14;
          const points = s.direction === 'recv' ? `${cx - 6},${cy - 5} ${cx + 6},${cy - 5} ${cx},${cy + 6}` : `${cx - 6},${cy + 5} ${cx + 6},${cy + 5} ${cx},${cy - 6}`;
          return <polygon key={i} class={`${s.direction} ${/block/.test(s.what) ? 'data' : ''}`} points={points} data-tip={`${s.what} ${s.direction === 'recv' ? 'from' : 'to'} ${s.peer}, +${f.span(s.time - first)}, ${f.bytes(s.bytes)}`} />;
        })}
        {x(complete) - x(first) > WORD ? (
          <text class="axis" x={x(first)} y={tall - 4} text-anchor="middle">
            0
          </text>
        ) : null}
        {x(last) - x(complete) > 2 * WORD ? (
          <text class="axis" x={x(last)} y={tall - 4} text-anchor="end">
            +{f.span(last - first)}
          </text>
        ) : null}
        <text class="axis done" x={x(complete)} y={tall - 4} text-anchor="middle">
          complete
        </text>
      </svg>
    </div>
  );
}
