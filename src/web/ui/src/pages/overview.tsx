import { useMemo } from 'preact/hooks';
import type { Node, Status } from '../lib/api';
import { get, type Figures } from '../lib/api';
import * as f from '../lib/format';
import { newBlock, status } from '../lib/live';
import { useAsk } from '../lib/load';
import { use } from '../lib/store';
import { link } from '../lib/view';
import { Ago, Bars, Count, Empty, Mark, Num, Trouble } from '../parts/bits';
import { Frame, Panel, useNode, useRange } from '../parts/panel';
import * as P from './panels';

const ROWS: [string, typeof P.HEIGHT[]][] = [
  ['Chain', [P.HEIGHT, P.FEES_PER_BLOCK, P.BLOCK_SIZE]],
  ['Mempool', [P.MEMPOOL, P.RELAY]],
  ['Bandwidth', [P.BYTES_RECV, P.BYTES_SENT]],
  ['Messages', [P.RECEIVED, P.SENT]],
  ['Peers and addresses', [P.PEERS, P.CRAWLS]],
  ['Transactions', [P.TX_RATE, P.SCRIPTS, P.TX_FEES, P.OUTPUTS, P.TX_SIZE, P.DUST]],
];

export function Overview() {
  const now = use(status);
  const name = useNode();
  const node = now?.nodes.find((n) => n.name === name);
  if (now && !node) return <NoNode now={now} />;
  return (
    <>
      <h1 class="unseen" tabIndex={-1}>
        Overview
      </h1>
      <Tiles now={now} node={node} />
      {ROWS.map(([title, panels]) => (
        <div class="row" key={title}>
          <h2>{title}</h2>
          <div class={`panels of${panels.length % 3 === 0 || title.startsWith('Peers') ? 3 : 2}`}>
            {panels.map((p) => (
              <Panel def={p} key={p.id} />
            ))}
            {title === 'Messages' && ((now?.visibility.v2_explained_bytes ?? 0) > 0 || (node?.v2 ?? 0) > 0) ? [P.RECEIVED_V2, P.SENT_V2].map((p) => <Panel def={p} key={p.id} />) : null}
            {title.startsWith('Peers') ? <Agents /> : null}
          </div>
        </div>
      ))}
    </>
  );
}

function NoNode({ now }: { now: Status }) {
  return (
    <>
      <h1 tabIndex={-1}>Overview</h1>
      <Empty
        todo={
          now.mode === 'live'
            ? 'Is the node running, and is this its interface? “btcdmon doctor” looks at each step. A node is taken by itself once a few of its connections were seen.'
            : 'Name the watched node: btcdmon replay --serve --node ADDRESS FILE.'
        }
      >
        No Bitcoin node was found in the traffic yet ({f.int(now.sensor_figures.frames)} frames seen).
      </Empty>
    </>
  );
}

function Tiles({ now, node }: { now: Status | null; node: Node | undefined }) {
  const block = use(newBlock);
  const losses = useMemo(() => (now ? lost(now) : []), [now]);
  const all = losses.reduce((s, [, n]) => s + n, 0);
  const v = now?.visibility;
  // When nothing is open any more, as at the end of a replay, the bytes tell.
  const bytes = v ? v.v1.bytes + v.v2.bytes + v.undecided.bytes : 0;
  const open = node ? node.v1 + node.v2 + node.undecided : 0;
  return (
    <section class="tiles" aria-label="Now">
      <Tile name="Tip" of="blocks.best_height" flash={block?.hash ?? undefined} href={node?.tip_hash ? link('blocks', node.tip_hash) : undefined}>
        <strong>{node ? f.int(node.height) : f.NONE}</strong>
        <small>{node?.tip_time ? <Ago at={node.tip_time} /> : node?.height === null ? 'not known yet' : 'from a version message'}</small>
      </Tile>
      <Tile name="Peers" href={link('peers')}>
        <strong>{node ? f.int(node.inbound + node.outbound) : f.NONE}</strong>
        <small>
          {node ? `${node.inbound} in, ${node.outbound} out` : f.NONE}
        </small>
      </Tile>
      <Tile name="Messages" of={node?.messages_estimated ? 'msg_recv.transport' : undefined} kind="estimated" href={link('messages')}>
        <strong>{f.rate(node?.messages_per_s)}</strong>
        <small>
          <Count n={node?.messages} /> {node?.messages_estimated ? <>read, <Count n={node.messages_estimated} /> estimated</> : 'in all'}
        </small>
      </Tile>
      <Tile name="Bandwidth">
        <strong class="two">
          <span>
            <i aria-label="received">↓</i> {f.byteRate(node?.bytes_recv_per_s)}
          </span>
          <span>
            <i aria-label="sent">↑</i> {f.byteRate(node?.bytes_sent_per_s)}
          </span>
        </strong>
        <small>
          <Num text={f.bytes(node?.wire_bytes_recv)} exact={node?.wire_bytes_recv} unit="bytes on the wire" /> in, <Num text={f.bytes(node?.wire_bytes_sent)} exact={node?.wire_bytes_sent} unit="bytes on the wire" /> out
        </small>
      </Tile>
      <Tile name="Mempool" of="mempool.num_tx" href={link('transactions')}>
        <strong>
          <Count n={node?.mempool_tx} unit="transactions" /> <em>tx</em>
        </strong>
        <small>
          <Num text={f.vsize(node?.mempool_vsize)} exact={node?.mempool_vsize} unit="vB" />
        </small>
      </Tile>
      <Tile name="Visibility" href={link('sensor')}>
        <strong>{f.percent(open ? (node?.v1 ?? 0) / open : bytes ? (v?.v1.bytes ?? 0) / bytes : null)}</strong>
        {open || !bytes ? (
          <Share v1={node?.v1 ?? 0} v2={node?.v2 ?? 0} other={node?.undecided ?? 0} />
        ) : (
          <Share v1={v?.v1.bytes ?? 0} v2={v?.v2.bytes ?? 0} other={v?.undecided.bytes ?? 0} bytes />
        )}
      </Tile>
      <Tile name="Losses" href={link('sensor')} tone={all ? 'warn' : undefined}>
        <strong>{now ? (all ? f.count(all) : 'none') : f.NONE}</strong>
        <small data-tip={all ? losses.map(([what, n]) => `${what}: ${f.int(n)}`).join('\n') : undefined}>
          {now ? (
            losses.filter(([, n]) => n > 0).map(([what, n]) => `${what} ${f.count(n)}`).join(', ') || `of ${f.count(now.sensor_figures.frames)} frames`
          ) : (
            f.NONE
          )}
        </small>
      </Tile>
    </section>
  );
}

const total = (c: Record<string, number> | undefined): number => Object.values(c ?? {}).reduce((s, n) => s + n, 0);

/** What limits the figures: not the oddities of TCP, which cost nothing. */
export function lost(now: Status): [string, number][] {
  const s = now.sensor_figures;
  return [
    ['dropped', s.dropped_by_kernel],
    ['gaps', total(s.gaps)],
    ['bad messages', total(s.message_troubles)],
    ['evicted', total(s.evictions)],
    ['points', s.points_lost],
  ];
}

interface TileProps {
  name: string;
  of?: string;
  kind?: 'estimated';
  href?: string;
  flash?: string;
  tone?: string;
  children: preact.ComponentChildren;
}

function Tile({ name, of, kind, href, flash, tone, children }: TileProps) {
  return (
    <div class={`tile ${tone ?? ''}`} id={`tile-${name.toLowerCase()}`}>
      <h2>
        {href ? <a href={href}>{name}</a> : name}
        {of ? <Mark of={of} kind={kind} /> : null}
      </h2>
      <div class={flash ? 'value flash' : 'value'} key={flash}>
        {children}
      </div>
    </div>
  );
}

function Share({ v1, v2, other, bytes }: { v1: number; v2: number; other: number; bytes?: boolean }) {
  const all = Math.max(1, v1 + v2 + other);
  const say = bytes ? f.bytes : f.int;
  const text = `${bytes ? 'bytes' : 'open connections'}: readable (v1) ${say(v1)}, encrypted (v2) ${say(v2)}, undecided ${say(other)}`;
  return (
    <small class="shares" data-tip={text}>
      <span class="share" role="img" aria-label={text}>
        <i class="v1" style={{ width: `${(v1 / all) * 100}%` }} />
        <i class="v2" style={{ width: `${(v2 / all) * 100}%` }} />
      </span>
      <span>{bytes ? 'of the bytes are readable' : `readable: ${v1} v1, ${v2} v2`}</span>
    </small>
  );
}

const AGENTS = 9;

/** The user agents of the peers that called in this range: all there are, the most frequent first. */
function Agents() {
  const node = useNode();
  const r = useRange();
  const known = use(status) !== null;
  const { data, error } = useAsk(known ? `${node} ${r.from} ${r.to}` : null, (signal) =>
    get<Figures>('series/peers', { columns: 'version', agg: 'count', by: 'user_agent', where: 'direction:inbound', from: r.from, to: r.to, points: 48, node }, signal),
  );
  const rows = (data?.lines ?? [])
    .map((l) => ({ name: l.tags.user_agent ?? '', value: l.values.reduce<number>((s, v) => s + (v ?? 0), 0) }))
    .filter((l) => l.value > 0)
    .sort((a, b) => b.value - a.value);
  const shown = rows.slice(0, AGENTS).map((r2) => ({ ...r2, name: r2.name || '(empty)' }));
  const others = rows.slice(AGENTS).reduce((s, r2) => s + r2.value, 0);
  if (others) shown.push({ name: `${rows.length - AGENTS} others`, value: others });
  return (
    <Frame id="agents" title="User agents of inbound peers" help="Version messages of the peers that called in this range, by their user agent. Peers name themselves as they like.">
      <Trouble text={error} />
      {shown.length ? (
        <Bars rows={shown} unit="connections" tone={1} />
      ) : data ? (
        <Empty todo="A node behind a firewall has outbound peers only; encrypted peers do not tell their user agent.">No peer that called told its user agent in this range.</Empty>
      ) : (
        <div class="waiting" />
      )}
    </Frame>
  );
}
