import { useState } from 'preact/hooks';
import type { Cell, Table as Answer } from '../lib/api';
import { get } from '../lib/api';
import * as f from '../lib/format';
import { status } from '../lib/live';
import { useAsk } from '../lib/load';
import { use } from '../lib/store';
import { link } from '../lib/view';
import { Bars, Empty, Facts, Hash, Heading, Moment, Num, Sat, Trouble } from '../parts/bits';
import { Frame, Group, Panel, useNode, useRange } from '../parts/panel';
import { Table, type Col } from '../parts/table';
import * as P from './panels';

const quoted = (s: string): string => `'${s.replace(/'/g, "''")}'`;

/** SQL on the store, for what no series tells directly: distributions and lists of this range. */
function useSql(key: string, text: (where: string) => string, limit = 100): { rows: Cell[][] | null; error: string | null } {
  const node = useNode();
  const r = useRange();
  const known = use(status) !== null;
  // The store counts in nanoseconds.
  const where = `node = ${quoted(node)} AND time >= ${Math.round(r.from)}000 AND time < ${Math.round(r.to)}000`;
  // Heavier than a chart: a moving range is asked again every ten seconds.
  const beat = r.moving ? Math.floor(r.to / 1e7) : r.to;
  const { data, error } = useAsk(known ? `${key} ${node} ${r.from - r.to} ${beat}` : null, (signal) => get<Answer>('query', { sql: text(where), limit }, signal));
  return { rows: data?.rows ?? null, error };
}

const FEES = [1, 2, 3, 5, 8, 10, 15, 20, 30, 50, 100, 200, 500];
const SIZES = [110, 142, 200, 250, 300, 400, 500, 750, 1000, 2000, 5000, 10_000, 100_000];

/** Counts of a figure in steps; a share of the transactions, not of bytes. */
function Spread({ id, title, help, column, series, edges, unit, tone, empty, todo }: { id: string; title: string; help: string; column: string; series: string; edges: number[]; unit: string; tone: number; empty: string; todo?: string }) {
  const cases = edges.map((e, i) => `WHEN ${column} < ${e} THEN ${i}`).join(' ');
  const { rows, error } = useSql(id, (where) => `SELECT CASE ${cases} ELSE ${edges.length} END AS step, count(*) AS n FROM ${series} WHERE ${where} AND ${column} IS NOT NULL GROUP BY step ORDER BY step`);
  const counts = new Map((rows ?? []).map((r) => [Number(r[0]), Number(r[1])]));
  const all = [...counts.values()].reduce((a, b) => a + b, 0);
  const some = [...counts.keys()];
  const from = Math.min(...some);
  const to = Math.max(...some);
  const bars = Array.from({ length: edges.length + 1 }, (_, i) => i)
    .filter((i) => i >= from && i <= to)
    .map((i) => {
      const name = i === 0 ? `< ${f.int(edges[0])}` : i === edges.length ? `≥ ${f.int(edges[i - 1])}` : `${f.int(edges[i - 1])}–${f.int(edges[i])}`;
      const n = counts.get(i) ?? 0;
      return { name, value: n, tip: `${name} ${unit}: ${f.int(n)} transactions, ${f.percent(n / Math.max(1, all))}` };
    });
  return (
    <Frame id={id} title={title} help={help} note={all ? `${unit} · ${f.count(all)} tx` : ''}>
      <Trouble text={error} />
      {all ? <Bars rows={bars} tone={tone} unit="transactions" /> : rows ? <Empty todo={todo}>{empty}</Empty> : <div class="waiting" />}
    </Frame>
  );
}

const UNREAD = 'Transactions can be read on plain (v1) connections only: see Sensor.';

export function Transactions() {
  const [wanted, want] = useState('');
  const txid = wanted.trim().toLowerCase();
  const wrong = txid !== '' && !/^[0-9a-f]{64}$/.test(txid);
  return (
    <>
      <Heading sub="Each transaction counts the first time that it is seen, in either direction.">Transactions</Heading>
      <form
        class="filters"
        role="search"
        onSubmit={(e) => {
          e.preventDefault();
          if (txid && !wrong) location.hash = link('transactions', txid);
        }}
      >
        <label class="grow">
          <span>Find by txid</span>
          <input type="search" name="txid" value={wanted} spellcheck={false} autocomplete="off" placeholder="64 hexadecimal digits" aria-invalid={wrong} onInput={(e) => want(e.currentTarget.value)} />
        </label>
        <button type="submit" disabled={!txid || wrong}>
          Show
        </button>
      </form>
      <Group name="Rates and distributions" of={3}>
        <Panel def={P.TX_RATE} />
        <Spread id="fee-rates" title="Fee rates" help="Of the transactions whose fee is known." column="fee_rate" series="tx_fees" edges={FEES} unit="sat/vB" tone={0} empty="The fee of no transaction is known in this range." todo="Fees become known as the sensor sees the outputs that are spent." />
        <Spread id="sizes" title="Sizes" help="Virtual sizes (BIP 141)." column="vsize" series="tx" edges={SIZES} unit="vB" tone={1} empty="No transaction was read in this range." todo={UNREAD} />
        <Panel def={P.ALL_SCRIPTS} />
        <Panel def={P.TX_FEES} />
        <Panel def={P.COVERAGE} />
        <Panel def={P.DUST} />
        <Panel def={P.ORPHANS} />
        <Reasons />
      </Group>
      <Group name="Conflicts" of={2}>
        <Panel def={P.REPLACED} />
        <Panel def={P.SPENDS} />
        <Spends />
      </Group>
    </>
  );
}

function Reasons() {
  const { rows, error } = useSql('reasons', (where) => `SELECT non_standard_reason, count(*) AS n FROM tx WHERE ${where} AND is_standard = 0 GROUP BY non_standard_reason ORDER BY n DESC`);
  return (
    <Frame id="reasons" title="Not standard, and why" help="The first static rule of policy that a transaction breaks; prevouts, fee and signatures are not looked at.">
      <Trouble text={error} />
      {rows?.length ? <Bars rows={rows.map((r) => ({ name: f.words(String(r[0] ?? 'not told')), value: Number(r[1]) }))} unit="transactions" tone={4} /> : rows ? <Empty>Every transaction of this range is standard.</Empty> : <div class="waiting" />}
    </Frame>
  );
}

interface Spend {
  time: number;
  tx: string;
  out: string;
}

const SPEND_COLS: Col<Spend>[] = [
  { key: 'time', title: 'Seen', by: (s) => s.time, cell: (s) => <Moment at={s.time} /> },
  { key: 'tx', title: 'Second transaction', cell: (s) => <Hash h={s.tx} page="transactions" /> },
  { key: 'out', title: 'Output spent again', cell: (s) => <><Hash h={s.out.split(':')[0]} page="transactions" n={6} /> : {s.out.split(':')[1]}</> },
];

function Spends() {
  const { rows, error } = useSql('spends', (where) => `SELECT time / 1000, tx_id, prev_out FROM mempool WHERE ${where} AND tx_id IS NOT NULL ORDER BY time DESC`, 50);
  const list = (rows ?? []).map((r) => ({ time: Number(r[0]), tx: String(r[1]), out: String(r[2]) }));
  return (
    <Frame id="spends" title="Outputs spent twice" wide note={list.length ? `the last ${f.int(list.length)}` : ''}>
      <Trouble text={error} />
      {list.length ? <Table label="Outputs spent twice" cols={SPEND_COLS} rows={list} id={(s) => `${s.time}${s.tx}${s.out}`} first="-time" empty={null} /> : rows ? <Empty>No output was seen spent twice in this range.</Empty> : <div class="waiting" />}
    </Frame>
  );
}

type Row = Record<string, Cell>;
interface Tx extends Row {
  inputs: never;
}

const num = (v: Cell | undefined): number | null => (typeof v === 'number' ? v : null);

export function OneTransaction({ txid }: { txid: string }) {
  const now = use(status);
  const { data, error, missing } = useAsk(now ? txid : null, (signal) => get<Tx>(`transactions/${encodeURIComponent(txid)}`, {}, signal));
  const t = data as unknown as (Row & { fee: Row | null; inputs: Row[]; outputs: Row[] }) | null;
  if (!t)
    return (
      <>
        <Heading sub={<span class="hash whole">{txid}</span>}>Transaction</Heading>
        {missing ? (
          <Empty todo="The sensor knows transactions that it saw relayed on plain connections while it ran, as long as the store keeps points. Those that came in a block only are not kept.">The store has no transaction of this txid.</Empty>
        ) : error ? (
          <Empty>{error}</Empty>
        ) : (
          <div class="waiting" />
        )}
      </>
    );
  const fee = t.fee;
  return (
    <>
      <nav class="crumbs" aria-label="Way back">
        <a href={link('transactions')}>Transactions</a>
      </nav>
      <Heading sub={<span class="hash whole">{String(t.txid)}</span>}>Transaction</Heading>
      <Group name="What it is" of={2}>
        <Frame id="tx" title="The transaction">
          <Facts
            rows={[
              ['Seen first', <Moment at={num(t.time)} />],
              ['Size', `${f.int(num(t.tx_size))} B`],
              ['Virtual size', `${f.int(num(t.vsize))} vB`],
              ['Weight', `${f.int(num(t.weight))} WU`],
              ['Version', f.int(num(t.version_num))],
              ['Standard', t.is_standard ? 'yes' : `no: ${f.words(String(t.non_standard_reason ?? 'not told'))}`],
            ]}
          />
        </Frame>
        <Frame id="fee" title="Its fee">
          {fee ? (
            <Facts
              rows={[
                ['Fee', <Sat n={num(fee.tx_fee)} />],
                ['Fee rate', <Num text={f.feeRate(num(fee.fee_rate))} exact={num(fee.fee_rate)} unit="sat/vB" />],
                ['Least that the node relays', <Sat n={num(fee.min_fee)} />, 'tx_fees.min_fee'],
                ['Times that', num(fee.fee_ratio) === null ? f.NONE : f.short(num(fee.fee_ratio) ?? 0), 'tx_fees.fee_ratio'],
              ]}
            />
          ) : (
            <Empty>Not known: the sensor has not seen every output that it spends.</Empty>
          )}
        </Frame>
      </Group>
      <div class="row">
        <h2>Inputs</h2>
        <Table label="Inputs" cols={INPUTS} rows={t.inputs} id={(i) => String(i.n)} first="n" empty={<Empty>Not kept.</Empty>} />
      </div>
      <div class="row">
        <h2>Outputs</h2>
        <Table label="Outputs" cols={OUTPUTS} rows={t.outputs} id={(o) => String(o.n)} first="n" empty={<Empty>Not kept.</Empty>} />
      </div>
    </>
  );
}

const INPUTS: Col<Row>[] = [
  { key: 'n', title: 'n', by: (i) => num(i.n), cell: (i) => f.int(num(i.n)) },
  { key: 'value', title: 'Spends', right: true, by: (i) => num(i.prevout_value), cell: (i) => <Sat n={num(i.prevout_value)} /> },
  { key: 'type', title: 'Of type', cell: (i) => String(i.prevout_type ?? f.NONE) },
  { key: 'sig', title: 'scriptSig', right: true, by: (i) => num(i.sig_script_len), cell: (i) => `${f.int(num(i.sig_script_len))} B`, rank: 1 },
  { key: 'witness', title: 'Witness', right: true, by: (i) => num(i.witness_bytes), cell: (i) => `${f.int(num(i.witness_items))} items, ${f.int(num(i.witness_bytes))} B`, rank: 1 },
  { key: 'sequence', title: 'Sequence', right: true, by: (i) => num(i.sequence_num), cell: (i) => (num(i.sequence_num) === null ? f.NONE : `0x${(num(i.sequence_num) ?? 0).toString(16)}`), rank: 1 },
];

const OUTPUTS: Col<Row>[] = [
  { key: 'n', title: 'n', by: (o) => num(o.n), cell: (o) => f.int(num(o.n)) },
  { key: 'value', title: 'Value', right: true, by: (o) => num(o.value), cell: (o) => <Sat n={num(o.value)} /> },
  { key: 'type', title: 'Type', by: (o) => String(o.script_type), cell: (o) => String(o.script_type ?? f.NONE) },
  { key: 'size', title: 'Script', right: true, by: (o) => num(o.size), cell: (o) => `${f.int(num(o.size))} B`, rank: 1 },
  { key: 'dust', title: 'Dust', cell: (o) => (o.is_dust ? <span class="chip warn">dust</span> : 'no') },
];
