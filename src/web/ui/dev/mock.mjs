// A stand-in for the program while the pages are worked on: answers the API from a store, made with
//   btcdmon replay --store mock.db --interval 1s FILE
// Run: node dev/mock.mjs STORE PROGRAM [PORT], then `npx vite` (BTCDMON_API=http://127.0.0.1:PORT).
import { execFile } from 'node:child_process';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const [store, program, port = '8398'] = process.argv.slice(2);
const run = (args) => new Promise((done, fail) =>
  execFile(program, args, { maxBuffer: 1 << 28 }, (error, out, err) => (error ? fail(new Error(err || String(error))) : done(out))));
const sql = async (text) => JSON.parse(await run(['query', '--json', '--store', store, text]));

/** The descriptions, read from the generated page. */
function described() {
  const out = [];
  let series;
  for (const line of readFileSync(join(here, '../../../../docs/series.md'), 'utf8').split('\n')) {
    const head = /^## (\w+)$/.exec(line);
    if (head) out.push((series = { name: head[1], help: '', point: 'event', columns: [] }));
    const row = /^\| `(\w+)` \| (\w+)(, tag)? \| (.*?) \| (exact|inferred|estimated) \| (.*) \|$/.exec(line);
    if (row && series) series.columns.push({ name: row[1], type: row[2], tag: !!row[3], unit: row[4], kind: row[5], help: row[6] });
    else if (series && !series.help && /^[A-Z]/.test(line)) {
      series.help = line;
      if (line.includes('per node and interval')) series.point = 'interval';
    }
  }
  return out.filter((s) => s.columns.length);
}
const SERIES = described();

const percentile = (xs, p) => xs.slice().sort((a, b) => a - b)[Math.max(0, Math.ceil((p / 100) * xs.length) - 1)];
function reduce(agg, xs, times, step, cumulative) {
  if (agg === 'count') return xs.length || null;
  if (!xs.length) return null;
  const sum = xs.reduce((a, b) => a + b, 0);
  if (agg === 'sum') return sum;
  if (agg === 'mean') return sum / xs.length;
  if (agg === 'max') return Math.max(...xs);
  if (agg === 'min') return Math.min(...xs);
  if (agg === 'last') return xs[xs.length - 1];
  if (agg === 'rate') return cumulative ? xs[xs.length - 1] : (sum / step) * 1e6;
  if (agg === 'stddev') return Math.sqrt(xs.reduce((a, b) => a + (b - sum / xs.length) ** 2, 0) / xs.length);
  return percentile(xs, Number(agg.slice(1)));
}

async function series(name, q) {
  const meta = SERIES.find((s) => s.name === name);
  const columns = q.get('columns').split(',');
  const by = q.get('by');
  const wheres = q.getAll('where').map((w) => w.split(/:(.*)/s));
  const where = wheres.map(([c, v]) => ` AND ${c} = ${v === 'true' ? 1 : v === 'false' ? 0 : `'${v}'`}`).join('');
  const rows = await sql(`SELECT time, ${columns.join(', ')}${by ? `, ${by}` : ''} FROM ${name} WHERE 1${where} ORDER BY time`);
  const all = rows.map((r) => r.time / 1000);
  const from = Number(q.get('from') ?? all[0] ?? 0);
  const to = Number(q.get('to') ?? all[all.length - 1] ?? 1);
  const points = Number(q.get('points') ?? 600);
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400].map((s) => s * 1e6);
  const step = steps.find((s) => (to - from) / s <= points) ?? 86400e6;
  const start = Math.floor(from / step) * step;
  const time = [];
  for (let t = start; t < to; t += step) time.push(t);
  const lines = [];
  const tags = by ? [...new Set(rows.map((r) => r[by]))] : [null];
  const cumulative = /cumulative/.test(meta.help);
  for (const agg of (q.get('agg') ?? 'auto').split(','))
    for (const tag of tags)
      for (const column of columns) {
        const cells = time.map(() => [[], []]);
        rows.forEach((r, i) => {
          const b = Math.floor((all[i] - start) / step);
          if ((tag === null || r[by] === tag) && r[column] !== null && cells[b] && all[i] >= from) {
            cells[b][0].push(Number(r[column]));
            cells[b][1].push(all[i]);
          }
        });
        const a = agg === 'auto' ? 'mean' : agg;
        let values = cells.map(([x, t]) => reduce(a, x, t, step, cumulative));
        if (a === 'rate' && cumulative) values = values.map((v, i) => (v === null || values[i - 1] == null ? null : ((v - values[i - 1]) / step) * 1e6));
        lines.push({ tags: by ? { [by]: tag } : {}, column, agg: a, values });
      }
  return { name, from, to, step, time, lines };
}

const json = JSON.parse(readFileSync(store.replace(/\.db$/, '.json'), 'utf8'));
const node = json.nodes[0];
const us = (ns) => Math.floor(ns / 1000);
const name = (await sql('SELECT DISTINCT node FROM bandwidth'))[0].node;
const peers = node.connections.map((c, i) => ({
  id: String(i + 1), address: c.peer, direction: c.direction, transport: c.transport, network: c.peer.startsWith('[') ? 'ipv6' : 'ipv4',
  user_agent: c.transport === 'v1' ? ['/Satoshi:31.0.0/', '/btcwire:0.5.0/btcd:0.26.0/', '<img src=x onerror=alert(1)>'][i % 3] : null,
  protocol_version: 70016, services: ['NETWORK', 'WITNESS', 'NETWORK_LIMITED', 'P2P_V2'], start_height: 100 + i, since: us(c.since),
  until: c.open ? null : us(json.capture.last), bytes_recv: c.bytes_recv, bytes_sent: c.bytes_sent, messages_recv: 300 + i * 7, messages_sent: 420 + i * 3,
  messages: { recv: { tx: 120, inv: 80 + i, ping: 3, headers: 12 }, sent: { tx: 300, inv: 60, cmpctblock: 14, pong: 3 } },
  ping_us: i % 3 ? 12000 * i + 310 : null, ping_min_us: i % 3 ? 230 + i : null, tcp_rtt_us: 180 + i * 900, last_block: i % 2 ? node.chain.best_block : null,
  last_block_time: us(json.capture.last) - i * 9e6, last_tx_time: us(json.capture.last) - i * 3e6, last_tx_first: i % 4 ? us(json.capture.last) - i * 5e6 : null,
  first_blocks: i % 5, first_txs: i * 31, handshake: true, estimated: c.transport === 'v2',
}));
// MOCK_LIVE=1: as if it went on.
const started = Date.now();
const clock = () => us(json.capture.last) + (process.env.MOCK_LIVE ? (Date.now() - started) * 1000 : 0);
const status = () => ({
  version: '0.1.0', sensor: 'mock', mode: process.env.MOCK_LIVE ? 'live' : 'replay', speed: null, finished: !process.env.MOCK_LIVE, time: clock(), since: us(json.capture.first),
  series_from: us(json.capture.first), series_to: us(json.capture.last),
  nodes: [{
    name, addresses: [name], network: node.network ?? 'regtest', height: node.chain.best_height, tip_time: us(json.capture.last) - 42e6,
    tip_hash: node.chain.best_block, inbound: 8, outbound: 10, v1: 12, v2: 5, undecided: 1, messages_per_s: 43.2, bytes_recv_per_s: 41230, bytes_sent_per_s: 120022,
    messages: 34123, wire_bytes_recv: node.bandwidth.wire_bytes_recv, wire_bytes_sent: node.bandwidth.wire_bytes_sent, mempool_tx: 2613, mempool_vsize: 954300,
  }],
  sensor_figures: {
    frames: json.capture.frames, dropped_by_kernel: 0, frames_used: json.capture.frames_used, frames_skipped: json.capture.frames_skipped, tcp_anomalies: json.capture.tcp_anomalies,
    gaps: json.capture.gaps, message_troubles: json.capture.message_troubles, evictions: {}, points_lost: 0, connections: peers.length, limits: { connections: 65536 },
  },
  visibility: { v1: { connections: 12, bytes: 2070000 }, v2: { connections: 5, bytes: 1780000 }, other: { connections: 1, bytes: 35 }, undecided: { connections: 0, bytes: 0 }, v2_explained_bytes: 1760000 },
});
const BLOCKS = `SELECT sha AS hash, height, time / 1000 AS time, size, weight, num_tx, total_tx_fees, first_announcer, via, missing_tx, missing_bytes, process_time, relay_time, announce_to_data, status FROM processed_blocks`;

const routes = [
  [/^\/api\/v1\/status$/, status],
  [/^\/api\/v1\/series$/, () => ({ series: SERIES })],
  [/^\/api\/v1\/series\/(\w+)$/, (q, m) => series(m[1], q)],
  [/^\/api\/v1\/peers$/, (q) => ({ peers: peers.filter((p) => q.get('closed') === 'true' || p.until === null || node.connections.every((c) => !c.open)) })],
  [/^\/api\/v1\/peers\/(.+)$/, (_q, m) => peers.find((p) => p.id === m[1]) ?? null],
  [/^\/api\/v1\/blocks$/, async (q) => ({ blocks: await sql(`${BLOCKS} WHERE time < ${q.get('before') ?? 9e15}000 ORDER BY time DESC LIMIT ${q.get('limit') ?? 100}`) })],
  [/^\/api\/v1\/blocks\/(\w+)$/, async (_q, m) => {
    const [b] = await sql(`${BLOCKS} WHERE sha = '${m[1]}'`);
    return b ? { ...b, timeline: ['headers', 'getdata', 'cmpctblock', 'getblocktxn', 'blocktxn', 'cmpctblock', 'inv', 'cmpctblock'].map((what, i) => ({
      time: b.time - 9000 + i * 2400, peer: i < 5 ? b.first_announcer : `10.77.0.${i}:18444`, direction: [1, 3, 5, 6, 7].includes(i) ? 'sent' : 'recv', what, bytes: 81 + i * 400 })) } : null;
  }],
  [/^\/api\/v1\/transactions\/(\w+)$/, async (_q, m) => {
    const of = (t) => sql(`SELECT * FROM ${t} WHERE txid = '${m[1]}'`);
    const [t] = await of('tx');
    return t ? { ...t, wtxid: null, time: us(t.time), fee: (await of('tx_fees'))[0] ?? null, inputs: await of('tx_inputs'), outputs: await of('tx_outputs') } : null;
  }],
  [/^\/api\/v1\/config$/, () => ({ retention: { points: '7d' }, interval: '1s', listen: '127.0.0.1:8399' })],
];

async function query(text, limit) {
  const rows = await sql(text);
  const columns = rows.length ? Object.keys(rows[0]) : [];
  return { columns, rows: rows.slice(0, limit).map((r) => columns.map((c) => r[c])), truncated: rows.length > limit, elapsed_ms: 3 };
}

const messages = (await run(['messages', process.argv[5] ?? join(here, '../../../../captures/btcd-v1/capture.pcap.zst')])).trim().split('\n').slice(0, 3000).map((l) => JSON.parse(l));
function stream(res, kind) {
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  let n = 0;
  const timer = setInterval(() => {
    if (kind === 'events') return res.write(`event: status\nid: ${n++}\ndata: ${JSON.stringify(status())}\n\n`);
    for (let i = 0; i < 12; i += 1) {
      const { time, node: at, peer, direction, command, payload_bytes, ...fields } = messages[n++ % messages.length];
      res.write(`event: message\ndata: ${JSON.stringify({ time: us(time), node: at, peer, direction, command, bytes: payload_bytes + 24, estimated: n % 9 === 0, confidence: 0.9, fields })}\n\n`);
    }
  }, 1000);
  res.on('close', () => clearInterval(timer));
}

const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
createServer(async (req, res) => {
  const url = new URL(req.url, 'http://x');
  const send = (code, body) => { res.writeHead(code, { 'content-type': 'application/json' }); res.end(JSON.stringify(body)); };
  const wrong = (code, message) => send(code, { error: { code: 'bad_request', message } });
  try {
    if (/^\/api\/v1\/(events|messages)$/.test(url.pathname)) return stream(res, url.pathname.slice(8));
    if (url.pathname === '/api/v1/query') return send(200, await query(url.searchParams.get('sql'), Number(url.searchParams.get('limit') ?? 1000)));
    for (const [pattern, answer] of routes) {
      const m = pattern.exec(url.pathname);
      if (!m) continue;
      const body = await answer(url.searchParams, m);
      return body ? send(200, body) : wrong(404, 'there is none of that name');
    }
    const file = join(here, '../dist', url.pathname === '/' ? 'index.html' : url.pathname);
    if (!existsSync(file)) return wrong(404, 'no such page');
    res.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream', 'content-security-policy': "default-src 'self'" });
    return createReadStream(file).pipe(res);
  } catch (error) {
    return wrong(400, String(error.message ?? error).trim());
  }
}).listen(Number(port), '127.0.0.1', () => console.log(`http://127.0.0.1:${port}`));
