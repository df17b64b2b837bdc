// The panels of the original btcdmon's dashboard, row by row (docs/from-the-original.md), and those added since.
import type { Figures, Line } from '../lib/api';
import * as f from '../lib/format';
import type { ChartLine, Draw, Model } from '../parts/chart';
import { tagged, type PanelDef } from '../parts/panel';

type Format = (n: number | null) => string;
type Look = Partial<Pick<ChartLine, 'right' | 'of' | 'kind' | 'total' | 'axis'>>;

export const line = (l: Line | undefined, label: string, tone: number, draw: Draw, format: Format, look: Look = {}): ChartLine => ({
  label,
  values: l?.values ?? [],
  tone,
  draw,
  format,
  axis: format === f.sat ? f.satShort : undefined,
  ...look,
});

const column = (a: Figures | undefined, name: string, agg?: string): Line | undefined => a?.lines.find((l) => l.column === name && (!agg || l.agg === agg));

export const model = (a: Figures | undefined, lines: ChartLine[], more: Partial<Model> = {}): Model | null =>
  a ? { time: a.time, step: a.step, lines: lines.filter((l) => l.values.length), ...more } : null;

const sum = (l: Line): number => l.values.reduce<number>((s, v) => s + (v ?? 0), 0);

/** Of the original's 25 targets, and the messages of today, those that are told apart; the colour goes with the name. */
const COMMANDS = [
  'inv', 'tx', 'getdata', 'headers', 'block', 'cmpctblock', 'blocktxn', 'getblocktxn', 'addr', 'addrv2', 'ping', 'pong', 'version', 'verack', 'getaddr', 'getheaders',
  'getblocks', 'mempool', 'feefilter', 'sendcmpct', 'notfound', 'merkleblock', 'filterload', 'reject', 'unknown',
];
const TONES: Record<string, number> = { inv: 1, tx: 0, getdata: 2, block: 3, cmpctblock: 4, headers: 5, addr: 6, addrv2: 6, ping: 7, pong: 7, blocktxn: 8, getblocks: 9, version: 9 };
const SHOWN = 7;

/** The commands with most messages, and the others together. */
function commands(a: Figures | undefined, transport: string, series: string): Model | null {
  if (!a) return null;
  const lines = tagged(a, 'transport', transport).filter((l) => sum(l) > 0).sort((x, y) => sum(y) - sum(x));
  const minutes = a.step / 60e6;
  const per = (l: Line): Line => ({ ...l, values: l.values.map((v) => (v === null ? null : v / minutes)) });
  const taken = new Set<number>();
  const tone = (name: string): number => {
    const wish = TONES[name] ?? -1;
    const free = [wish, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9].find((t) => t >= 0 && !taken.has(t)) ?? 10;
    taken.add(free);
    return free;
  };
  const look: Look = transport === 'v2' ? { of: `${series}.transport`, kind: 'estimated' } : {};
  const out = lines.slice(0, SHOWN).map((l) => line(per(l), l.column, tone(l.column), 'area', f.count, look));
  const others = lines.slice(SHOWN).map(per);
  if (others.length) {
    const values = a.time.map((_, i) => others.reduce<number | null>((s, l) => (l.values[i] == null ? s : (s ?? 0) + (l.values[i] ?? 0)), null));
    out.push({ label: 'others', values, tone: 10, draw: 'area', format: f.count, ...look });
  }
  return { time: a.time, step: a.step, lines: out, stacked: true };
}

const perMinute = (way: 'recv' | 'sent', transport: 'v1' | 'v2'): PanelDef => {
  const series = `msg_${way}`;
  const name = `Messages ${way === 'recv' ? 'received' : 'sent'} per minute`;
  return {
    id: `${series}-${transport}`,
    title: transport === 'v1' ? name : `${name} (encrypted, ≈)`,
    help:
      transport === 'v1'
        ? 'By command, read off plain (v1) connections. Stacked; the seven most frequent ones, and the others together.'
        : 'By command, on encrypted (BIP 324) connections: estimated from sizes, order and time. Never added to the exact ones.',
    ask: [{ series, columns: COMMANDS, agg: 'sum', by: 'transport', points: 120 }],
    model: ([a]) => commands(a, transport, series),
    empty: transport === 'v1' ? 'No message was read in this range.' : 'No message of an encrypted connection was told in this range.',
    todo: transport === 'v1' ? 'If the node has peers, they may all be encrypted: see Sensor.' : undefined,
  };
};

const traffic = (way: 'recv' | 'sent', tone: number): PanelDef => ({
  id: `bytes_${way}`,
  title: way === 'recv' ? 'Bytes received' : 'Bytes sent',
  help: 'Payload of the node’s Bitcoin connections, each byte once; and all packets on the wire with headers, acknowledgments and retransmissions.',
  ask: [{ series: 'bandwidth', columns: [`bytes_${way}`, `wire_bytes_${way}`], agg: 'rate' }],
  model: ([a]) => model(a, [line(column(a, `bytes_${way}`), 'payload', tone, 'area', f.byteRate), line(column(a, `wire_bytes_${way}`), 'on the wire', 10, 'line', f.byteRate)]),
  empty: 'No traffic in this range.',
  todo: 'Is the node running, and does the sensor see its interface? “btcdmon doctor” tells.',
});

/** Who crawls the network: by pattern, so that new versions count. The dashboards of Grafana have the same list. */
const CRAWLERS: [string, RegExp, number][] = [
  ['bitnodes', /bitnodes/i, 0],
  ['seeders', /bitcoin-?seeder|dnsseed|seeder/i, 1],
  ['snoopy', /snoopy/i, 2],
  ['other crawlers', /crawl|btc-?scan|scanner|monitor|nodemap|explorer|recorder|probe|kastel/i, 3],
];

function crawlers(a: Figures | undefined): Model | null {
  if (!a) return null;
  const lines = CRAWLERS.map(([label, pattern, tone], k) => {
    const mine = a.lines.filter((l) => CRAWLERS.findIndex(([, p]) => p.test(l.tags.user_agent ?? '')) === k && pattern.test(l.tags.user_agent ?? ''));
    const values = a.time.map((_, i) => mine.reduce<number | null>((s, l) => (l.values[i] == null ? s : (s ?? 0) + (l.values[i] ?? 0)), null));
    return { label, values, tone, draw: 'bars' as const, format: f.count, total: true };
  }).filter((l) => l.values.some((v) => v !== null));
  return { time: a.time, step: a.step, lines, stacked: true };
}

const BAR_STEPS = 48;
const BLOCKS_UNREAD = 'Blocks can be read on plain (v1) connections only: see Sensor.';
const ALL_P = [5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95];

export const HEIGHT: PanelDef = {
  id: 'height',
  title: 'Main chain height',
  help: 'Height of the tip that the node follows, at each change.',
  ask: [{ series: 'blocks', columns: ['best_height'], agg: 'max' }],
  model: ([a]) => model(a, [line(column(a, 'best_height'), 'height', 0, 'step', f.int, { of: 'blocks.best_height' })], { loose: true }),
  empty: 'No block joined the chain in this range.',
  todo: `Choose a longer range; mainnet has a block every ten minutes on average. ${BLOCKS_UNREAD}`,
};

export const FEES_PER_BLOCK: PanelDef = {
  id: 'block-fees',
  title: 'Fees and blocks',
  help: 'Fees of the blocks that came to the node: their sum, the mean of a block, and how many blocks came, in each step.',
  ask: [{ series: 'processed_blocks', columns: ['total_tx_fees'], agg: 'sum,mean,count', where: ['transport:v1'], points: BAR_STEPS }],
  model: ([a]) =>
    model(a, [
      line(column(a, 'total_tx_fees', 'sum'), 'fees', 0, 'bars', f.sat, { total: true }),
      line(column(a, 'total_tx_fees', 'mean'), 'mean of a block', 3, 'dots', f.sat),
      line(column(a, 'total_tx_fees', 'count'), 'blocks', 1, 'dots', f.count, { right: true, total: true }),
    ]),
  empty: 'No block was read in this range.',
  todo: `Choose a longer range. ${BLOCKS_UNREAD}`,
};

export const BLOCK_SIZE: PanelDef = {
  id: 'block-size',
  title: 'Block size and transactions',
  help: 'Of the accepted blocks, with witnesses; the mean where several fall into one step. The size is absent when a compact block could not be rebuilt.',
  ask: [{ series: 'processed_blocks', columns: ['size', 'num_tx'], agg: 'mean', where: ['status:accepted'] }],
  model: ([a]) => model(a, [line(column(a, 'size'), 'size', 0, 'line', f.bytes), line(column(a, 'num_tx'), 'transactions', 1, 'line', f.count, { right: true })]),
  empty: 'No block was read in this range.',
  todo: `Choose a longer range. ${BLOCKS_UNREAD}`,
};

export const MEMPOOL: PanelDef = {
  id: 'mempool',
  title: 'Mempool',
  help: 'The shadow mempool: the transactions that the node has, by what it received and showed; and those that wait for a parent.',
  ask: [{ series: 'mempool', columns: ['num_tx', 'size', 'num_orphans', 'coverage'], agg: 'mean' }],
  model: ([a]) =>
    model(a, [
      line(column(a, 'num_tx'), 'transactions', 0, 'line', f.count, { of: 'mempool.num_tx' }),
      line(column(a, 'num_orphans'), 'orphans', 4, 'line', f.count, { of: 'mempool.num_orphans' }),
      line(column(a, 'size'), 'size', 1, 'line', f.bytes, { right: true, of: 'mempool.size' }),
    ]),
  empty: 'No transaction was read in this range.',
  todo: 'On encrypted connections only it cannot be told: see Sensor.',
};

export const RELAY: PanelDef = {
  id: 'relay',
  title: 'Smart transaction relay (skipped invs)',
  help: 'Announcements that the node did not have to make because the peer had the transaction, beside the inv messages that it sent.',
  ask: [{ series: 'msg_sent', columns: ['inv_known', 'inv'], agg: 'sum', where: ['transport:v1'], points: BAR_STEPS }],
  model: ([a]) =>
    model(a, [
      line(column(a, 'inv_known'), 'announcements skipped', 0, 'bars', f.count, { of: 'msg_sent.inv_known', total: true }),
      line(column(a, 'inv'), 'inv messages', 1, 'line', f.count, { right: true, total: true }),
    ]),
  empty: 'The node announced nothing on a readable connection in this range.',
};

export const PEERS: PanelDef = {
  id: 'peers',
  title: 'Peers and addresses',
  help: 'Open connections by who opened them, and distinct addresses gossiped to the node in 24 hours.',
  ask: [{ series: 'peers', columns: ['total_connected', 'inbound', 'outbound', 'num_addrs'], agg: 'max' }],
  model: ([a]) =>
    model(a, [
      line(column(a, 'total_connected'), 'connected', 0, 'step', f.count),
      line(column(a, 'inbound'), 'inbound', 1, 'step', f.count),
      line(column(a, 'outbound'), 'outbound', 2, 'step', f.count),
      line(column(a, 'num_addrs'), 'addresses', 10, 'line', f.count, { right: true, of: 'peers.num_addrs' }),
    ]),
  empty: 'No point of the connections lies in this range.',
};

export const CRAWLS: PanelDef = {
  id: 'crawls',
  title: 'Crawler visits',
  help: 'Connections of programs that map the network, by their user agent: bitnodes, the DNS seeders, and others by pattern.',
  ask: [{ series: 'peers', columns: ['version'], agg: 'count', by: 'user_agent', points: BAR_STEPS }],
  model: ([a]) => crawlers(a),
  empty: 'No crawler called in this range.',
  todo: 'A node that accepts connections on mainnet gets several an hour.',
};

export const SCRIPTS: PanelDef = {
  id: 'scripts',
  title: 'Outputs that are not P2PKH',
  help: 'Outputs of the transactions seen for the first time, by type of script.',
  ask: [{ series: 'tx_outputs', columns: ['value'], agg: 'count', by: 'script_type', points: BAR_STEPS }],
  model: ([a]) => scripts(a, false),
  empty: 'No transaction was read in this range.',
  todo: 'Transactions can be read on plain (v1) connections only: see Sensor.',
};

export function scripts(a: Figures | undefined, pubkeyhash: boolean): Model | null {
  if (!a) return null;
  const tones: Record<string, number> = { pubkeyhash: 10, witness_v0_keyhash: 1, witness_v1_taproot: 0, scripthash: 2, witness_v0_scripthash: 5, nulldata: 3, multisig: 4, anchor: 7, pubkey: 6, nonstandard: 8, witness_unknown: 9 };
  const names: Record<string, string> = { pubkeyhash: 'P2PKH', witness_v0_keyhash: 'P2WPKH', witness_v1_taproot: 'P2TR', scripthash: 'P2SH', witness_v0_scripthash: 'P2WSH', nulldata: 'OP_RETURN', anchor: 'P2A', pubkey: 'P2PK' };
  const lines = a.lines
    .filter((l) => (pubkeyhash || l.tags.script_type !== 'pubkeyhash') && sum(l) > 0)
    .sort((x, y) => sum(y) - sum(x))
    .map((l) => line(l, names[l.tags.script_type ?? ''] ?? l.tags.script_type ?? '?', tones[l.tags.script_type ?? ''] ?? 8, 'bars', f.count, { total: true }));
  return { time: a.time, step: a.step, lines, stacked: true };
}

export const TX_FEES: PanelDef = {
  id: 'tx-fees',
  title: 'Transaction fees',
  help: 'Median, mean and highest fee of the transactions whose spent outputs the sensor has all seen; the panel on fee coverage tells of how many.',
  ask: [{ series: 'tx_fees', columns: ['tx_fee'], agg: 'p50,mean,max', points: 120 }],
  model: ([a]) =>
    model(a, [
      line(column(a, 'tx_fee', 'p50'), 'median', 0, 'line', f.sat),
      line(column(a, 'tx_fee', 'mean'), 'mean', 1, 'line', f.sat),
      line(column(a, 'tx_fee', 'max'), 'highest', 10, 'line', f.sat, { right: true }),
    ]),
  empty: 'The fee of no transaction is known in this range.',
  todo: 'Fees become known as the sensor sees the outputs that are spent: a few hours after its start.',
};

export const DUST: PanelDef = {
  id: 'dust',
  title: 'Dust watch',
  help: 'Outputs worth less than it costs to spend them (3 sat/vB).',
  ask: [{ series: 'tx_outputs', columns: ['value'], agg: 'count', where: ['is_dust:true'], points: BAR_STEPS }],
  model: ([a]) => model(a, [line(column(a, 'value'), 'dust outputs', 4, 'bars', f.count, { total: true })]),
  empty: 'No dust in this range.',
};

export const OUTPUTS: PanelDef = {
  id: 'outputs',
  title: 'Transaction outputs',
  help: 'Values of the outputs: mean and median, and how many outputs there were.',
  ask: [{ series: 'tx_outputs', columns: ['value'], agg: 'mean,p50,count', points: 120 }],
  model: ([a]) =>
    model(a, [
      line(column(a, 'value', 'mean'), 'mean value', 0, 'line', f.sat),
      line(column(a, 'value', 'p50'), 'median value', 2, 'line', f.sat),
      line(column(a, 'value', 'count'), 'outputs', 1, 'line', f.count, { right: true, total: true }),
    ]),
  empty: 'No transaction was read in this range.',
  todo: 'Transactions can be read on plain (v1) connections only: see Sensor.',
};

export const TX_SIZE: PanelDef = {
  id: 'tx-size',
  title: 'Transaction size percentiles',
  help: 'The 5th to the 95th percentile of the transactions’ sizes, witnesses included, as on the original’s panel. Of those that were read (v1).',
  ask: [{ series: 'tx', columns: ['tx_size'], where: ['transport:v1'], agg: ALL_P.map((p) => `p${p}`).join(','), points: 60 }],
  model: ([a]) =>
    model(
      a,
      ALL_P.map((p, i) => line(column(a, 'tx_size', `p${p}`), `p${p}`, p === 50 ? 0 : 11 + i, 'line', f.bytes)),
    ),
  empty: 'No transaction was read in this range.',
  todo: 'Transactions can be read on plain (v1) connections only: see Sensor.',
};

export const RECEIVED = perMinute('recv', 'v1');
export const SENT = perMinute('sent', 'v1');
export const RECEIVED_V2 = perMinute('recv', 'v2');
export const SENT_V2 = perMinute('sent', 'v2');
export const BYTES_RECV = traffic('recv', 1);
export const BYTES_SENT = traffic('sent', 0);

export const TX_RATE: PanelDef = {
  id: 'tx-rate',
  title: 'Transactions seen first',
  help: 'Transactions, each the first time that it is seen, in either direction. Those that came on encrypted connections are told apart: they are estimated, and may be the same.',
  ask: [{ series: 'tx', columns: ['tx_size'], agg: 'count', by: 'transport', points: 120 }],
  model: ([a]) => {
    if (!a) return null;
    const of = (transport: string): Line | undefined => {
      const l = tagged(a, 'transport', transport)[0];
      return l && { ...l, values: l.values.map((v) => (v === null ? null : v / (a.step / 1e6))) };
    };
    return model(a, [line(of('v1'), 'transactions', 0, 'area', f.rate), line(of('v2'), 'encrypted', 3, 'line', f.rate, { of: 'tx.transport', kind: 'estimated' })]);
  },
  empty: 'No transaction was read in this range.',
  todo: 'Transactions can be read on plain (v1) connections only: see Sensor.',
};

export const ALL_SCRIPTS: PanelDef = { ...SCRIPTS, id: 'all-scripts', title: 'Script types', model: ([a]) => scripts(a, true) };

export const ORPHANS: PanelDef = {
  id: 'orphans',
  title: 'Orphans',
  help: 'Transactions that wait for a parent which the node asked for.',
  ask: [{ series: 'mempool', columns: ['num_orphans'], agg: 'max' }],
  model: ([a]) => model(a, [line(column(a, 'num_orphans'), 'orphans', 3, 'step', f.count, { of: 'mempool.num_orphans' })]),
  empty: 'No point of the mempool lies in this range.',
};

export const REPLACED: PanelDef = {
  id: 'replacements',
  title: 'Replacements',
  help: 'Transactions that left the shadow mempool because the node took another one that spends the same output and pays more (BIP 125). What descends from them leaves too and is not counted.',
  ask: [{ series: 'mempool', columns: ['replaced'], agg: 'sum', points: BAR_STEPS }],
  model: ([a]) => counted(a, 'replaced', 'transactions replaced', 0),
  empty: 'No transaction of the mempool was replaced in this range.',
};

export const SPENDS: PanelDef = {
  id: 'double-spends',
  title: 'Double spends',
  help: 'Outputs that a second transaction was seen to spend, whether the node took it (a replacement) or not (an attempt to spend twice). A transaction counts once for each such output.',
  ask: [{ series: 'mempool', columns: ['double_spend'], agg: 'sum', points: BAR_STEPS }],
  model: ([a]) => counted(a, 'double_spend', 'outputs spent twice', 4),
  empty: 'No output was seen spent twice in this range.',
};

/** Bars of what is mostly 0: without any there is nothing to draw. */
function counted(a: Figures | undefined, name: string, label: string, tone: number): Model | null {
  const l = column(a, name);
  return model(a, [line(l && sum(l) > 0 ? l : undefined, label, tone, 'bars', f.count, { of: `mempool.${name}`, total: true })]);
}

export const COVERAGE: PanelDef = {
  id: 'fee-coverage',
  title: 'Fees known',
  help: 'Transactions by whether their fee is known: what share the figures of fees show.',
  ask: [{ series: 'tx_fee_coverage', columns: ['known', 'unknown'], agg: 'sum', points: BAR_STEPS }],
  model: ([a]) =>
    model(a, [line(column(a, 'known'), 'known', 2, 'bars', f.count, { total: true }), line(column(a, 'unknown'), 'not known', 10, 'bars', f.count, { total: true })], { stacked: true }),
  empty: 'No transaction was read in this range.',
};

export const VISIBILITY: PanelDef = {
  id: 'visibility',
  title: 'Open connections by transport',
  help: 'Readable (v1), encrypted (v2, BIP 324), not yet told, and not Bitcoin.',
  ask: [{ series: 'visibility', columns: ['connections'], agg: 'max', by: 'transport' }],
  model: ([a]) => {
    const tones: Record<string, number> = { v1: 2, v2: 3, unknown: 10, not_bitcoin: 8 };
    const names: Record<string, string> = { v1: 'v1, readable', v2: 'v2, encrypted', unknown: 'undecided', not_bitcoin: 'not Bitcoin' };
    return a ? { time: a.time, step: a.step, lines: a.lines.map((l) => line(l, names[l.tags.transport ?? ''] ?? '?', tones[l.tags.transport ?? ''] ?? 8, 'area', f.count)), stacked: true } : null;
  },
  empty: 'No point of the connections lies in this range.',
};

export const CAPTURED: PanelDef = {
  id: 'captured',
  title: 'Frames captured and lost',
  help: 'Frames a second that the capture saw, and those that the kernel or the interface dropped.',
  ask: [{ series: 'sensor', columns: ['frames', 'kernel_drops', 'interface_drops'], agg: 'rate' }],
  model: ([a]) =>
    model(a, [
      line(column(a, 'frames'), 'frames', 1, 'area', f.rate),
      line(column(a, 'kernel_drops'), 'dropped by the kernel', 4, 'line', f.rate),
      line(column(a, 'interface_drops'), 'dropped by the interface', 8, 'line', f.rate),
    ]),
  empty: 'No point of the sensor lies in this range.',
  nodeless: true,
};

export const PROCESS: PanelDef = {
  id: 'process',
  title: 'Process and relay time',
  help: 'From the block’s complete data at the node to its first announcement, and to the first compact block that it sent; medians of each step.',
  ask: [{ series: 'processed_blocks', columns: ['process_time', 'relay_time', 'announce_to_data'], agg: 'p50', where: ['transport:v1'], points: 120 }],
  model: ([a]) =>
    model(a, [
      line(column(a, 'process_time'), 'process', 0, 'line', f.span, { of: 'processed_blocks.process_time' }),
      line(column(a, 'relay_time'), 'relay', 1, 'line', f.span, { of: 'processed_blocks.relay_time' }),
      line(column(a, 'announce_to_data'), 'announced to complete', 10, 'line', f.span),
    ]),
  empty: 'No block was read in this range.',
  todo: `Choose a longer range. ${BLOCKS_UNREAD}`,
};
