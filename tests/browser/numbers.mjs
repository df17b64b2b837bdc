// Every page shows the numbers that the store holds.
import assert from 'node:assert/strict';
import { capture as relay, TRANSACTIONS } from './relay.mjs';
import { cells, clean, colours, drawn, ENCRYPTED, finished, legend, number, open, plain, serve, serveFile, servePackets, settle } from './tools.mjs';

/** The original's panels that this capture has something for, and those that stay empty in it. */
const DRAWN = [
  'height', 'block-fees', 'block-size', 'mempool', 'relay', 'bytes_recv', 'bytes_sent', 'msg_recv-v1', 'msg_sent-v1', 'peers', 'crawls', 'tx-rate', 'scripts', 'tx-fees', 'outputs', 'tx-size',
];

export async function overview({ url, context, known }) {
  const page = await open(context, url);
  await settle(page);
  const tile = (name, what = 'strong') => page.locator(`#tile-${name} ${what}`).innerText();
  assert.equal(number(await tile('tip')), known.node.chain.best_height);
  assert.equal(number(await tile('tip')), known.one('SELECT max(best_height) FROM blocks'));
  assert.equal(number(await tile('mempool')), known.one('SELECT num_tx FROM mempool WHERE num_tx IS NOT NULL ORDER BY time DESC LIMIT 1'));
  assert.equal(number(await tile('peers')), known.one('SELECT total_connected FROM peers WHERE total_connected IS NOT NULL ORDER BY time DESC LIMIT 1'));
  const { inbound, outbound } = known.sql('SELECT inbound, outbound FROM peers WHERE total_connected IS NOT NULL ORDER BY time DESC LIMIT 1')[0];
  assert.equal(plain(await tile('peers', 'small')), `${inbound} in, ${outbound} out`);
  for (const panel of DRAWN) assert.ok((await colours(page, panel)) > 20, `the chart ${panel} is blank`);

  const exact = [
    ['height', 'height', 'SELECT max(best_height) FROM blocks'],
    ['block-fees', 'blocks', 'SELECT count(*) FROM processed_blocks'],
    ['relay', 'announcements skipped', "SELECT sum(inv_known) FROM msg_sent WHERE transport = 'v1'"],
    ['relay', 'inv messages', "SELECT sum(inv) FROM msg_sent WHERE transport = 'v1'"],
    ['scripts', 'P2TR', "SELECT count(*) FROM tx_outputs WHERE script_type = 'witness_v1_taproot'"],
    ['scripts', 'OP_RETURN', "SELECT count(*) FROM tx_outputs WHERE script_type = 'nulldata'"],
    ['outputs', 'outputs', 'SELECT count(*) FROM tx_outputs'],
    ['mempool', 'transactions', 'SELECT num_tx FROM mempool WHERE num_tx IS NOT NULL ORDER BY time DESC LIMIT 1'],
    ['crawls', 'other crawlers', "SELECT count(*) FROM peers WHERE version IS NOT NULL AND user_agent LIKE '%recorder%'"],
  ];
  for (const [panel, label, sql] of exact) {
    const have = known.one(sql);
    assert.ok(have > 0, `${panel}: the capture has no ${label}`);
    assert.equal(number(await legend(page, panel, label)), have, `${panel}: ${label}`);
  }
  // What is measured and 0 is shown as 0; of what never happened there is nothing to draw, and the panel says so.
  assert.equal(known.one('SELECT max(num_orphans) FROM mempool'), 0);
  assert.equal(await legend(page, 'mempool', 'orphans'), '0');
  assert.equal(known.one('SELECT count(*) FROM tx_outputs WHERE is_dust'), 0);
  assert.match(await page.locator('#panel-dust .empty').innerText(), /^No dust/);
  // A chart has its figures as a table too.
  const agents = await page.$$eval('#panel-agents li', (rows) => rows.map((r) => [r.querySelector('.name').textContent, Number(r.querySelector('.num').textContent)]));
  const stored = known.sql("SELECT user_agent, count(*) AS n FROM peers WHERE direction = 'inbound' AND version IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1");
  assert.deepEqual(Object.fromEntries(agents), Object.fromEntries(stored.map((r) => [r.user_agent, r.n])));
  clean(page);
}

export async function peers({ url, context, known }) {
  const page = await open(context, url, '#/peers?ended=1&sort=-bytes_recv');
  await page.waitForSelector('[aria-label=Peers] tbody tr');
  const rows = await cells(page, 'Peers');
  assert.deepEqual(rows.map((r) => r[0]).sort(), known.node.connections.map((c) => c.peer).sort());
  const first = known.node.connections.slice().sort((a, b) => b.bytes_recv - a.bytes_recv)[0];
  assert.equal(rows[0][0], first.peer);
  const tip = await page.locator('[aria-label=Peers] tbody tr').first().locator('td [data-tip$=" bytes"]').first().getAttribute('data-tip');
  assert.equal(number(tip), first.bytes_recv);
  assert.equal(rows[0][2], first.transport);
  // And the page of one.
  await page.locator('[aria-label=Peers] tbody a').first().click();
  await page.waitForSelector('#panel-who');
  assert.equal(await page.locator('h1').innerText(), first.peer);
  const agent = known.sql('SELECT DISTINCT user_agent FROM peers WHERE version IS NOT NULL').map((r) => r.user_agent);
  const shown = await page.locator('#panel-who dd').first().innerText();
  assert.ok(agent.includes(shown), `${shown} is no user agent of the store`);
  assert.ok((await cells(page, 'Messages by type')).length > 3);
  clean(page);
}

export async function blocks({ url, context, known }) {
  const page = await open(context, url, '#/blocks');
  await page.waitForSelector('[aria-label=Blocks] tbody tr');
  await settle(page);
  const stored = known.sql('SELECT sha, height, num_tx, size, total_tx_fees, first_announcer, status, process_time FROM processed_blocks GROUP BY sha ORDER BY time DESC LIMIT 100');
  const rows = await cells(page, 'Blocks');
  // A page does not end between two blocks of one time.
  const last = 'SELECT time / 1000 FROM processed_blocks ORDER BY time DESC LIMIT 1 OFFSET 99';
  assert.equal(rows.length, known.one(`SELECT count(DISTINCT sha) FROM processed_blocks WHERE time / 1000 >= (${last})`));
  const newest = stored[0];
  const head = (await page.$$eval('[aria-label=Blocks] thead th', (all) => all.map((t) => t.textContent.replace(/[^\w ]/g, '').trim()))).map((t) => t.toLowerCase());
  const at = (name) => plain(rows[0][head.indexOf(name)]);
  assert.equal(number(at('height')), newest.height);
  assert.equal(number(at('tx')), newest.num_tx);
  assert.equal(number(at('fees')), newest.total_tx_fees);
  assert.equal(at('announced first by'), newest.first_announcer);
  assert.equal(at('status'), newest.status);
  for (const panel of ['process', 'block-size', 'block-fees']) assert.ok((await colours(page, panel)) > 20, `the chart ${panel} is blank`);
  // And the page of one, with its timeline.
  await page.locator('[aria-label=Blocks] tbody a').first().click();
  await page.waitForSelector('#panel-block');
  assert.equal(await page.locator('.hash.whole').innerText(), newest.sha);
  assert.equal(await page.locator('#panel-block dd [data-tip$=" bytes"]').getAttribute('data-tip').then(number), newest.size);
  const steps = await cells(page, 'Timeline');
  assert.ok(steps.length > 1, 'the timeline has no steps');
  assert.ok(steps.some((s) => s[3] === 'block'), 'the block itself is not in its timeline');
  assert.equal(await page.locator('.lanes polygon').count(), steps.length);
  clean(page);
}

export async function transactions({ url, context, known }) {
  const page = await open(context, url, '#/transactions');
  await settle(page);
  const sizes = await page.$$eval('#panel-sizes li .num', (all) => all.map((n) => Number(n.textContent.replace(/\D/g, ''))));
  assert.equal(sizes.reduce((a, b) => a + b, 0), known.one('SELECT count(*) FROM tx'));
  const rates = await page.$$eval('#panel-fee-rates li .num', (all) => all.map((n) => Number(n.textContent.replace(/\D/g, ''))));
  assert.equal(rates.reduce((a, b) => a + b, 0), known.one('SELECT count(*) FROM tx_fees'));
  assert.equal((await cells(page, 'Outputs spent twice')).length, known.one('SELECT count(*) FROM mempool WHERE tx_id IS NOT NULL'));
  for (const panel of ['tx-rate', 'all-scripts', 'tx-fees', 'fee-coverage', 'replacements', 'double-spends']) assert.ok((await colours(page, panel)) > 20, `the chart ${panel} is blank`);
  // What a conflict led to is inferred, that there was one is read.
  for (const [panel, label, figure, marks] of [['replacements', 'transactions replaced', 'replaced', 1], ['double-spends', 'outputs spent twice', 'double_spend', 0]]) {
    assert.equal(Number(await legend(page, panel, label)), known.one(`SELECT sum(${figure}) FROM mempool`));
    assert.equal(await page.locator(`#panel-${panel} .mark.inferred`).count(), marks);
  }
  // By txid.
  const fee = known.sql('SELECT txid, tx_fee, vsize FROM tx_fees ORDER BY time LIMIT 1')[0];
  await page.fill('[name=txid]', fee.txid);
  await page.keyboard.press('Enter');
  await page.waitForSelector('#panel-fee dd');
  assert.equal(number(await page.locator('#panel-fee dd').first().innerText()), fee.tx_fee);
  assert.equal((await cells(page, 'Outputs')).length, known.one(`SELECT count(*) FROM tx_outputs WHERE txid = '${fee.txid}'`));
  assert.equal((await cells(page, 'Inputs')).length, known.one(`SELECT count(*) FROM tx_inputs WHERE txid = '${fee.txid}'`));
  // One that is not there: why, and what to do.
  page.expected = /transactions\/0{64}/;
  await page.goto(`${url}/#/transactions/${'0'.repeat(64)}`);
  await page.waitForSelector('.empty');
  page.wrong = page.wrong.filter((w) => !/404/.test(w));
  clean(page);
}

/** Each row is a message of the capture, and none is missing between the first that is shown and the last. */
export async function messages({ program, context, known }) {
  const server = await serve(program, '--speed', '4x');
  try {
    const page = await open(context, server.url, '#/messages');
    await page.waitForSelector('.stream tbody tr');
    await finished(server);
    await page.waitForFunction((last) => document.querySelector('.stream tbody td')?.textContent === last, known.messages.at(-1).clock);
    const shown = (await page.$$eval('.stream tbody tr', (rows) => rows.map((r) => [...r.children].slice(0, 5).map((c) => c.textContent.trim())))).reverse();
    const rows = shown.map(([time, way, peer, command, bytes]) => [time, way.includes('received') ? 'recv' : 'sent', peer, command, number(bytes)]);
    assert.doesNotMatch(await page.locator('.filters output').innerText(), /left out/);
    assert.ok(rows.length > 100, `${rows.length} messages are shown`);
    assert.deepEqual(rows, known.messages.slice(-rows.length).map((m) => [m.clock, m.direction, m.peer, m.command, m.bytes]));
    // And what one says, in full.
    const last = known.messages.findLastIndex((m) => m.command === 'tx');
    await page.locator('.stream tbody tr').nth(known.messages.length - 1 - last).locator('.says').click();
    const said = await page.$$eval('.fields dl > *, .fields dl div > *', (all) => all.map((e) => e.textContent.trim()));
    assert.ok(said.includes(known.messages[last].txid), `${said} lacks the txid`);
    clean(page);
  } finally {
    await server.stop();
  }
}

export async function query({ url, context, known }) {
  const sql = 'SELECT command_sum.n AS n FROM (SELECT sum(inv) AS n FROM msg_recv) AS command_sum';
  const page = await open(context, url, `#/query?sql=${encodeURIComponent(sql)}`);
  await page.waitForSelector('[aria-label=Result] td');
  assert.equal(Number((await cells(page, 'Result'))[0][0]), known.one(sql));
  // Run with the keyboard, and drawn as a chart.
  await page.fill('#sql', 'SELECT time, bytes_recv FROM bandwidth ORDER BY time');
  await page.focus('#sql');
  await page.keyboard.press('Control+Enter');
  await page.waitForFunction(() => document.querySelector('[aria-label=Result] th:nth-child(2)')?.textContent === 'bytes_recv');
  await page.getByRole('button', { name: 'chart', exact: true }).click();
  await page.waitForSelector('#panel-result canvas');
  await drawn(page);
  assert.ok((await colours(page, 'result')) > 20);
  // As CSV.
  const link = await page.getByRole('link', { name: 'CSV' }).getAttribute('href');
  const csv = await (await fetch(url + link)).text();
  assert.equal(csv.trim().split(/\r?\n/).length, known.one('SELECT count(*) FROM bandwidth') + 1);
  clean(page);
  // What is wrong is said, and nothing can be written.
  for (const bad of ['SELECT nothing FROM nowhere', 'DROP TABLE bandwidth']) {
    page.expected = /\/query\?/;
    await page.fill('#sql', bad);
    await page.getByRole('button', { name: 'Run' }).click();
    await page.waitForSelector('.trouble');
    assert.ok((await page.locator('.trouble').innerText()).length > 10);
    await page.fill('#sql', 'SELECT 1 AS one');
    await page.getByRole('button', { name: 'Run' }).click();
    await page.waitForSelector('.trouble', { state: 'detached' });
  }
  // The reference stands beside it.
  await page.fill('.reference input', 'best_height');
  assert.equal(await page.locator('.reference details').count(), 1);
}

export async function sensor({ url, context, known }) {
  const page = await open(context, url, '#/sensor');
  await settle(page);
  const facts = await page.$$eval('#panel-capture .facts > div', (all) => Object.fromEntries(all.map((d) => [d.children[0].textContent, d.children[1].textContent])));
  const { capture } = known.summary;
  assert.equal(number(facts.Frames), capture.frames);
  assert.equal(number(facts.used.split('(')[0]), capture.frames_used);
  const counters = async (title) => Object.fromEntries((await cells(page, title)).map((r) => [r[0].replace(/ /g, '_'), number(r[1])]));
  assert.deepEqual(await counters('Frames skipped'), capture.frames_skipped);
  assert.deepEqual(await counters('Oddities of TCP'), capture.tcp_anomalies);
  assert.deepEqual(await counters('Messages with troubles'), capture.message_troubles);
  await page.waitForFunction(() => document.querySelector('#panel-anomalies .why')?.textContent.length > 10);
  for (const row of await cells(page, 'Oddities of TCP')) assert.ok(row[2].length > 10, `${row[0]} is not explained`);
  for (const panel of ['captured', 'visibility']) assert.ok((await colours(page, panel)) > 20, `the chart ${panel} is blank`);
  clean(page);
}

/** A node of which nothing can be read: whatever is told of it is marked, with the rule, and nothing is drawn as if read. */
export async function estimates_are_marked({ program, context }) {
  const server = await serveFile(program, ENCRYPTED);
  try {
    await finished(server);
    const page = await open(context, server.url);
    await page.waitForSelector('#panel-msg_recv-v2');
    await settle(page);
    const rule = async (mark) => {
      await mark.focus();
      assert.match(await page.locator('#tip').innerText(), /^Estimated: .*encrypted.*estimated/);
    };
    await rule(page.locator('#tile-messages .mark.estimated'));
    for (const panel of ['msg_recv-v2', 'msg_sent-v2', 'tx-rate']) {
      const keys = page.locator(`#panel-${panel} .legend .key`);
      assert.ok((await keys.count()) > 0, `${panel} has no line`);
      for (const key of await keys.all()) await rule(key.locator('.mark.estimated'));
    }
    for (const panel of ['height', 'block-fees', 'block-size', 'msg_recv-v1', 'msg_sent-v1', 'scripts', 'tx-fees', 'tx-size']) {
      assert.match(await page.locator(`#panel-${panel} .empty`).innerText(), /see\sSensor|few hours/, `${panel} draws something`);
    }
    await page.getByRole('link', { name: 'Blocks', exact: true }).first().click();
    await page.waitForSelector('[aria-label=Blocks] tbody tr');
    const rows = page.locator('[aria-label=Blocks] tbody tr');
    assert.ok((await rows.count()) > 10);
    assert.equal(await rows.filter({ has: page.locator('.mark.estimated') }).count(), await rows.count());
    assert.equal(await rows.locator('a').count(), 0, 'a block without a hash has no page');
    // Peers: each figure made of messages, the pings too.
    const { peers: known } = await (await fetch(`${server.url}/api/v1/peers?closed=true`)).json();
    assert.ok(known.some((p) => p.ping_us !== null), 'no ping was told');
    await page.goto(`${server.url}/#/peers?ended=1`);
    await page.waitForSelector('[aria-label=Peers] tbody tr');
    const titles = await page.$$eval('[aria-label=Peers] thead th', (all) => all.map((t) => t.textContent.replace(/[^\w ]/g, '').trim()));
    const pings = page.locator(`[aria-label=Peers] tbody tr > :nth-child(${titles.indexOf('Ping') + 1})`);
    const told = pings.filter({ hasText: /\d/ });
    assert.equal(await told.count(), known.filter((p) => p.ping_us !== null).length);
    for (const ping of await told.all()) assert.equal(await ping.locator('.mark.estimated').count(), 1, 'a ping has no mark');
    await told.first().locator('xpath=..').locator('a').first().click();
    await page.waitForSelector('#panel-how');
    for (const name of ['Ping, newest', 'Ping, shortest']) {
      assert.equal(await page.locator('#panel-how .facts > div').filter({ hasText: name }).locator('.mark.estimated').count(), 1, `${name} has no mark`);
    }
    clean(page);
  } finally {
    await server.stop();
  }
}

/** What no recording has: dust, a crawler and a compact block that is rebuilt, in packets of our own. */
export async function dust_crawlers_and_rebuilt_blocks({ program, context }) {
  const server = await servePackets(program, relay());
  try {
    await finished(server);
    const one = async (sql) => (await (await fetch(`${server.url}/api/v1/query?sql=${encodeURIComponent(sql)}`)).json()).rows[0];
    assert.deepEqual(await one('SELECT count(*) FROM tx_outputs WHERE is_dust'), [TRANSACTIONS]);
    assert.deepEqual(await one('SELECT via, num_tx, missing_tx FROM processed_blocks'), ['cmpctblock', TRANSACTIONS + 1, null]);
    const page = await open(context, server.url);
    await settle(page);
    for (const [panel, label, n] of [['dust', 'dust outputs', TRANSACTIONS], ['crawls', 'bitnodes', 1]]) {
      assert.equal(number(await legend(page, panel, label)), n, panel);
      assert.ok((await colours(page, panel)) > 20, `the chart ${panel} is blank`);
    }
    await page.goto(`${server.url}/#/blocks`);
    await page.waitForSelector('[aria-label=Blocks] tbody tr');
    assert.match(await page.locator('.tiles').innerText(), /100\s?%[\s\S]*1 of 1 compact blocks/);
    const row = page.locator('[aria-label=Blocks] tbody tr');
    assert.equal(await row.count(), 1);
    assert.equal(await row.locator('.chip.good').first().innerText(), 'rebuilt');
    await row.locator('a').first().click();
    await page.waitForSelector('#panel-came');
    assert.match(await page.locator('#panel-came').innerText(), /rebuilt\s*Asked for\s*–/);
    clean(page);
  } finally {
    await server.stop();
  }
}
