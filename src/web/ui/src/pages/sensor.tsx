import type { Counts, Node, Status } from '../lib/api';
import { get } from '../lib/api';
import * as f from '../lib/format';
import { status } from '../lib/live';
import { useAsk } from '../lib/load';
import * as meta from '../lib/meta';
import { use } from '../lib/store';
import { Bytes, Empty, Facts, Heading, Mark, Moment } from '../parts/bits';
import { Frame, Group, Panel, useNode } from '../parts/panel';
import { Table, type Col } from '../parts/table';
import { CAPTURED, VISIBILITY } from './panels';

export function Sensor() {
  const now = use(status);
  const name = useNode();
  if (!now) return <Heading sub="asking …">Sensor</Heading>;
  const s = now.sensor_figures;
  const skipped = sum(s.frames_skipped);
  return (
    <>
      <Heading sub={`${now.sensor ? `${now.sensor} · ` : ''}btcdmon ${now.version} · ${now.mode === 'live' ? 'live' : `replay${now.speed ? ` at ${now.speed}×` : ''}`}`}>Sensor</Heading>
      <Group name="Capture" of={3}>
        <Frame id="capture" title="What it saw">
          <Facts
            rows={[
              ['Frames', f.int(s.frames)],
              ['used', `${f.int(s.frames_used)} (${f.percent(s.frames ? s.frames_used / s.frames : null)})`],
              ['skipped', `${f.int(skipped)} (${f.percent(s.frames ? skipped / s.frames : null)})`],
              ['dropped by the kernel', <Bad n={s.dropped_by_kernel} />],
              ['TCP conversations held now', f.int(s.connections)],
              ['Points lost on the way to sinks', <Bad n={s.points_lost} />],
              ['Since', <Moment at={now.since} />],
              ['Newest', <Moment at={now.time} />],
            ]}
          />
        </Frame>
        <Panel def={CAPTURED} />
        <Panel def={VISIBILITY} />
      </Group>
      <Visible now={now} node={now.nodes.find((n) => n.name === name)} />
      <div class="row">
        <h2>Skipped, lost and odd, and why</h2>
        <div class="panels of2">
          <Counters id="skipped" title="Frames skipped" counts={s.frames_skipped} prefix="skipped_" none="Every frame was used." />
          <Counters id="gaps" title="Gaps in streams" counts={s.gaps} prefix="gaps_" none="No byte of a stream is missing." tone="warn" />
          <Counters id="troubles" title="Messages with troubles" counts={s.message_troubles} prefix="" none="Every message decoded." tone="warn" />
          <Counters id="evictions" title="Given up at a limit" counts={s.evictions} prefix="" none="No limit was reached." tone="warn" />
          <Counters id="anomalies" title="Oddities of TCP" counts={s.tcp_anomalies} prefix="" none="None. They cost nothing: the stream is put in order." />
          <Limits now={now} />
        </div>
      </div>
    </>
  );
}

const sum = (c: Counts): number => Object.values(c).reduce((a, b) => a + b, 0);
const Bad = ({ n }: { n: number }) => <span class={n ? 'num warned' : 'num'}>{n ? f.int(n) : 'none'}</span>;

function Counters({ id, title, counts, prefix, none, tone }: { id: string; title: string; counts: Counts; prefix: string; none: string; tone?: string }) {
  const all = use(meta.series);
  const rows = Object.entries(counts).filter(([, n]) => n > 0).map(([name, n]) => ({ name, n, help: meta.counterHelp(all, name, prefix) }));
  const cols: Col<(typeof rows)[number]>[] = [
    { key: 'what', title: 'What', cell: (r) => f.words(r.name) },
    { key: 'n', title: 'Count', right: true, cell: (r) => <span class={tone === 'warn' ? 'warned' : ''}>{f.int(r.n)}</span> },
    { key: 'why', title: 'Why', cell: (r) => <span class="why">{r.help || f.NONE}</span> },
  ];
  return (
    <Frame id={id} title={title} note={rows.length ? f.int(sum(counts)) : ''}>
      {rows.length ? <Table label={title} cols={cols} rows={rows.sort((a, b) => b.n - a.n)} id={(r) => r.name} empty={null} /> : <p class="fine">{none}</p>}
    </Frame>
  );
}

function Visible({ now, node }: { now: Status; node: Node | undefined }) {
  const v = now.visibility;
  const kinds: [string, string, string, string][] = [
    ['v1', 'v1, readable', 'v1', 'Every message, byte for byte.'],
    ['v2', 'v2, encrypted (BIP 324)', 'v2', 'That it is there, bytes, packets and times; its messages are estimated.'],
    ['undecided', 'undecided', '', 'Too few bytes to tell, yet.'],
    ['other', 'not Bitcoin', '', 'Something else on the port; left out.'],
  ];
  const bytes = kinds.reduce((s, [k]) => s + v[k as 'v1'].bytes, 0);
  const explained = v.v2.bytes && v.v2_explained_bytes !== null ? v.v2_explained_bytes / v.v2.bytes : null;
  const blind = v.v2.bytes / Math.max(1, v.v1.bytes + v.v2.bytes);
  const rows = kinds.map(([k, name, , help]) => ({ k, name, help, ...v[k as 'v1'] }));
  const cols: Col<(typeof rows)[number]>[] = [
    { key: 'k', title: 'Transport', cell: (r) => <span class={`chip ${r.k}`}>{r.name}</span> },
    { key: 'c', title: 'Connections', right: true, cell: (r) => f.int(r.connections) },
    { key: 'b', title: 'Bytes', right: true, cell: (r) => <Bytes n={r.bytes} /> },
    { key: 's', title: 'Share of bytes', right: true, cell: (r) => f.percent(bytes ? r.bytes / bytes : null) },
    { key: 'h', title: 'What is told', cell: (r) => <span class="why">{r.help}</span>, rank: 1 },
  ];
  return (
    <div class="row">
      <h2>Visibility</h2>
      <div class="panels of2">
        <Frame id="transports" title="What share can be read">
          <Table label="Transports" cols={cols} rows={rows} id={(r) => r.k} empty={null} />
        </Frame>
        <Frame id="todo" title="What to do about it">
          <div class="prose">
            {v.v2.bytes === 0 ? (
              <p>{v.v1.bytes ? 'Everything is readable: every figure made of messages is complete.' : 'No Bitcoin traffic was seen yet.'}</p>
            ) : (
              <>
                <p>
                  {f.percent(blind)} of the bytes are encrypted. Figures of blocks, transactions and messages are read from the other {f.percent(1 - blind)}; bandwidth, peers and TCP round trips are exact for all.
                </p>
                {explained !== null ? (
                  <p>
                    {f.percent(explained)} of the encrypted bytes are explained as messages
                    <Mark of="visibility.explained_recv" />, from sizes, order and time. They are shown apart and never added to what was read.
                  </p>
                ) : null}
                <p>To see the node in full, let it speak plainly, where that is acceptable:</p>
                <ul>
                  <li>
                    Bitcoin Core and Knots: <code>v2transport=0</code> in bitcoin.conf, then restart it.
                  </li>
                  <li>
                    btcd: leave out <code>--v2transport</code>.
                  </li>
                </ul>
                <p>Peers then see what your provider sees too: plain Bitcoin traffic. It changes nothing in what is relayed.</p>
              </>
            )}
            {node && node.undecided > 0 ? <p>Undecided open connections: {f.int(node.undecided)}. They were taken up in the middle, or said too little yet.</p> : null}
          </div>
        </Frame>
      </div>
    </div>
  );
}

function Limits({ now }: { now: Status }) {
  const { data } = useAsk('config', (signal) => get<Record<string, unknown>>('config', {}, signal));
  const rows: [string, string][] = [
    ...Object.entries(now.sensor_figures.limits ?? {}).map(([k, v]): [string, string] => [`most ${f.words(k)}`, typeof v === 'number' ? f.int(v) : String(v ?? f.NONE)]),
    ...flat(Object.fromEntries(Object.entries(data ?? {}).filter(([k]) => k !== 'limits'))),
  ];
  return (
    <Frame id="limits" title="Limits and settings">
      {rows.length ? <Facts rows={rows} /> : <Empty>Not told.</Empty>}
    </Frame>
  );
}

function flat(of: Record<string, unknown>, before = ''): [string, string][] {
  return Object.entries(of).flatMap(([k, v]): [string, string][] => {
    const name = before ? `${before}, ${f.words(k)}` : f.words(k);
    if (v !== null && typeof v === 'object' && !Array.isArray(v)) return flat(v as Record<string, unknown>, name);
    return [[name, v === null ? f.NONE : Array.isArray(v) ? v.join(', ') || 'none' : String(v)]];
  });
}
