import type { Peer } from '../lib/api';
import { get } from '../lib/api';
import * as f from '../lib/format';
import { status } from '../lib/live';
import { useAsk } from '../lib/load';
import { use } from '../lib/store';
import { change, link, view } from '../lib/view';
import { Ago, Bytes, Count, Empty, Facts, Hash, Heading, MarkOf, Moment, Span, Trouble } from '../parts/bits';
import { Frame, Group, useNode } from '../parts/panel';
import { Table, type Col } from '../parts/table';

const ESTIMATED = 'The connection is encrypted (BIP 324): its messages are told from sizes, order and time, as docs/v2.md describes.';
const Est = ({ p }: { p: Peer }) => (p.estimated ? <MarkOf kind="estimated" rule={ESTIMATED} /> : null);

/** Of encrypted connections it is told which packets were the ping and the pong. */
const Ping = ({ p, us }: { p: Peer; us: number | null }) => (
  <>
    <Span us={us} />
    {us === null ? null : <Est p={p} />}
  </>
);

/** The two most frequent messages of both directions. */
function mostly(p: Peer): string {
  const sums = new Map<string, number>();
  for (const side of [p.messages.recv, p.messages.sent]) for (const [k, n] of Object.entries(side)) sums.set(k, (sums.get(k) ?? 0) + n);
  return [...sums].sort((a, b) => b[1] - a[1]).slice(0, 2).map(([k, n]) => `${k} ${f.count(n)}`).join(' · ');
}

const listed = (side: Record<string, number>): string =>
  Object.entries(side).sort((a, b) => b[1] - a[1]).map(([k, n]) => `${k} ${f.int(n)}`).join(', ') || 'none';

const COLS: Col<Peer>[] = [
  { key: 'address', title: 'Address', by: (p) => p.address, cell: (p) => <a href={link('peers', p.id)}>{p.address}</a> },
  { key: 'direction', title: 'Way', by: (p) => p.direction, cell: (p) => <span class={`chip ${p.direction}`}>{p.direction === 'inbound' ? '↓' : '↑'}<span class="rank1">{p.direction === 'inbound' ? ' in' : ' out'}</span></span>, tip: 'Inbound: the peer opened the connection' },
  { key: 'transport', title: 'Transport', by: (p) => p.transport, cell: (p) => <span class={`chip ${p.transport}`}>{f.words(p.transport)}</span> },
  { key: 'network', title: 'Network', by: (p) => p.network, cell: (p) => p.network, rank: 2 },
  { key: 'user_agent', title: 'User agent', by: (p) => p.user_agent, cell: (p) => (p.user_agent === null ? <span class="none">{p.transport === 'v2' ? 'encrypted' : f.NONE}</span> : <span class="agent" data-tip={p.user_agent}>{p.user_agent}</span>) },
  { key: 'services', title: 'Services', by: (p) => p.services?.length, cell: (p) => (p.services?.length ? <span class="clip" data-tip={p.services.join(', ')}>{p.services.map((s) => s.replace(/^NODE_/, '').toLowerCase()).join(' ')}</span> : <span class="none">{p.services ? 'none' : f.NONE}</span>), rank: 2 },
  { key: 'since', title: 'Since', right: true, by: (p) => p.since, cell: (p) => <Moment at={p.since} />, rank: 1 },
  { key: 'until', title: 'Ended', right: true, by: (p) => p.until ?? null, cell: (p) => (p.until ? <Moment at={p.until} /> : 'open'), rank: 1 },
  { key: 'bytes_recv', title: 'Received', right: true, by: (p) => p.bytes_recv, cell: (p) => <Bytes n={p.bytes_recv} /> },
  { key: 'bytes_sent', title: 'Sent', right: true, by: (p) => p.bytes_sent, cell: (p) => <Bytes n={p.bytes_sent} /> },
  {
    key: 'messages',
    title: 'Messages',
    right: true,
    by: (p) => p.messages_recv + p.messages_sent,
    cell: (p) => (
      <span data-tip={`received: ${listed(p.messages.recv)}\nsent: ${listed(p.messages.sent)}`}>
        {f.count(p.messages_recv + p.messages_sent)}
        <Est p={p} /> <small class="rank3">{mostly(p)}</small>
      </span>
    ),
    rank: 1,
  },
  { key: 'ping', title: 'Ping', right: true, by: (p) => p.ping_us, cell: (p) => <Ping p={p} us={p.ping_us} />, rank: 1, tip: 'From ping to pong, the newest one' },
  { key: 'rtt', title: 'TCP', right: true, by: (p) => p.tcp_rtt_us, cell: (p) => <Span us={p.tcp_rtt_us} />, rank: 2, tip: 'Round trip of the TCP handshake' },
  { key: 'last_block', title: 'Last block', right: true, by: (p) => p.last_block_time, cell: (p) => <Ago bare at={p.last_block_time} />, rank: 2, tip: 'How long ago this peer last was the first to announce a block' },
  { key: 'last_tx', title: 'First tx', right: true, by: (p) => p.last_tx_first, cell: (p) => <Ago bare at={p.last_tx_first} />, rank: 2, tip: 'How long ago this peer last was the first to bring a transaction' },
];

/** Seconds between two questions while the sensor runs. */
const BEAT = 2;

export function Peers() {
  const now = use(status);
  const { q = '', direction = '', transport = '', network = '', ended } = use(view).params;
  const node = useNode();
  const done = now?.mode === 'replay' && now.finished;
  const closed = ended ? ended === '1' : !!done;
  const beat = !now || done ? 0 : Math.floor((now.time ?? 0) / (BEAT * 1e6));
  const { data, error } = useAsk(now ? `${node} ${closed} ${beat}` : null, (signal) => get<{ peers: Peer[] }>('peers', { node, closed }, signal));
  const all = data?.peers ?? [];
  const needle = q.toLowerCase();
  const rows = all.filter(
    (p) =>
      (!direction || p.direction === direction) &&
      (!transport || p.transport === transport) &&
      (!network || p.network === network) &&
      (!needle || `${p.address} ${p.user_agent ?? ''} ${p.services?.join(' ') ?? ''}`.toLowerCase().includes(needle)),
  );
  const cols = closed ? COLS : COLS.filter((c) => c.key !== 'until');
  return (
    <>
      <Heading sub={data ? `${f.int(rows.length)} of ${f.int(all.length)} connections${closed ? ', ended ones included' : ''}` : 'asking …'}>Peers</Heading>
      <form class="filters" role="search" onSubmit={(e) => e.preventDefault()}>
        <label>
          <span>Find</span>
          <input type="search" name="q" value={q} placeholder="address, user agent, service" onInput={(e) => change({ q: e.currentTarget.value }, true)} />
        </label>
        <Choose name="direction" value={direction} of={['inbound', 'outbound']} />
        <Choose name="transport" value={transport} of={unique(all.map((p) => p.transport))} />
        <Choose name="network" value={network} of={unique(all.map((p) => p.network))} />
        <label class="check">
          <input type="checkbox" checked={closed} onChange={(e) => change({ ended: e.currentTarget.checked ? '1' : '0' }, true)} />
          <span>ended ones too</span>
        </label>
      </form>
      <Trouble text={error} />
      <Table
        label="Peers"
        cols={cols}
        rows={rows}
        id={(p) => p.id}
        first="-bytes_recv"
        empty={data ? <Empty todo={all.length ? 'Take a filter away.' : closed ? undefined : 'Tick “ended ones too” for those that were here.'}>{all.length ? 'No connection fits the filters.' : 'No connection is open.'}</Empty> : <div class="waiting" />}
      />
    </>
  );
}

const unique = (xs: string[]): string[] => [...new Set(xs)].sort();

function Choose({ name, value, of }: { name: string; value: string; of: string[] }) {
  return (
    <label>
      <span>{name}</span>
      <select name={name} value={value} onChange={(e) => change({ [name]: e.currentTarget.value }, true)}>
        <option value="">any</option>
        {of.map((o) => (
          <option value={o} key={o}>
            {f.words(o)}
          </option>
        ))}
        {value && !of.includes(value) ? <option value={value}>{value}</option> : null}
      </select>
    </label>
  );
}

export function OnePeer({ id }: { id: string }) {
  const now = use(status);
  const node = useNode();
  const done = now?.mode === 'replay' && now.finished;
  const beat = !now || done ? 0 : Math.floor((now.time ?? 0) / (BEAT * 1e6));
  const { data: p, error, missing } = useAsk(now ? `${id} ${beat}` : null, (signal) => get<Peer>(`peers/${encodeURIComponent(id)}`, { node }, signal));
  if (missing || (!p && error))
    return (
      <>
        <Heading>Peer</Heading>
        <Empty todo={<a href={link('peers')}>All peers</a>}>{missing ? 'This connection ended too long ago: the last 1000 ended ones are kept.' : error}</Empty>
      </>
    );
  if (!p) return <Heading sub="asking …">Peer</Heading>;
  const commands = unique([...Object.keys(p.messages.recv), ...Object.keys(p.messages.sent)]).map((name) => ({ name, recv: p.messages.recv[name] ?? 0, sent: p.messages.sent[name] ?? 0 }));
  const most = Math.max(1, ...commands.map((c) => Math.max(c.recv, c.sent)));
  const bar = (n: number, tone: number) => (
    <span class="cell-bar">
      <span style={{ width: `${(n / most) * 100}%`, background: `var(--c${tone})` }} />
    </span>
  );
  const cols: Col<(typeof commands)[number]>[] = [
    { key: 'command', title: 'Command', by: (c) => c.name, cell: (c) => c.name },
    { key: 'recv', title: 'Received', right: true, by: (c) => c.recv, cell: (c) => f.int(c.recv) },
    { key: 'recvbar', title: 'Drawn', cell: (c) => bar(c.recv, 1), rank: 1 },
    { key: 'sent', title: 'Sent', right: true, by: (c) => c.sent, cell: (c) => f.int(c.sent) },
    { key: 'sentbar', title: 'Drawn', cell: (c) => bar(c.sent, 0), rank: 1 },
  ];
  return (
    <>
      <nav class="crumbs" aria-label="Way back">
        <a href={link('peers')}>Peers</a>
      </nav>
      <Heading
        sub={
          <>
            <span class={`chip ${p.direction}`}>{p.direction}</span> <span class={`chip ${p.transport}`}>{f.words(p.transport)}</span> {p.until ? <>ended <Ago at={p.until} /></> : <>open since <Ago at={p.since} /></>}
            {' · '}
            <a href={link('messages', '', { peer: p.address })}>its messages, live</a>
          </>
        }
      >
        {p.address}
      </Heading>
      <Group name="What it is" of={3}>
        <Frame id="who" title="Who">
          <Facts
            rows={[
              ['User agent', p.user_agent ?? <span class="none">{p.transport === 'v2' ? 'encrypted' : f.NONE}</span>],
              ['Protocol version', p.protocol_version ?? f.NONE],
              ['Services', p.services?.join(', ') ?? f.NONE],
              ['Height at its version', f.int(p.start_height)],
              ['Network', p.network],
              ['Handshake', p.handshake ? 'complete' : 'not seen complete'],
              ['Since', <Moment at={p.since} />],
            ]}
          />
        </Frame>
        <Frame id="how" title="How fast">
          <Facts
            rows={[
              ['Ping, newest', <Ping p={p} us={p.ping_us} />],
              ['Ping, shortest', <Ping p={p} us={p.ping_min_us} />],
              ['TCP round trip', <Span us={p.tcp_rtt_us} />],
              ['Received', <Bytes n={p.bytes_recv} />],
              ['Sent', <Bytes n={p.bytes_sent} />],
              ['Messages received', <><Count n={p.messages_recv} /><Est p={p} /></>],
              ['Messages sent', <><Count n={p.messages_sent} /><Est p={p} /></>],
            ]}
          />
        </Frame>
        <Frame id="what" title="What it brought">
          <Facts
            rows={[
              ['Last block first from it', <><Hash h={p.last_block} page="blocks" /> <Ago at={p.last_block_time} /></>],
              ['Blocks first from it', f.int(p.first_blocks)],
              ['Last transaction', <Ago at={p.last_tx_time} />],
              ['Last transaction first from it', <Ago at={p.last_tx_first} />],
              ['Transactions first from it', f.int(p.first_txs)],
            ]}
          />
        </Frame>
      </Group>
      <div class="row">
        <h2>
          Messages by type
          <Est p={p} />
        </h2>
        <Table label="Messages by type" cols={cols} rows={commands} id={(c) => c.name} first="-recv" empty={<Empty>No message was told on this connection.</Empty>} />
      </div>
    </>
  );
}
