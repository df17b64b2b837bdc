// What people do: zoom, sort, filter, keep a link, use the keyboard, watch messages pass.
import assert from 'node:assert/strict';
import { cells, clean, linked, number, open, serve, settle } from './tools.mjs';

const params = async (page) => new URLSearchParams((await page.evaluate(() => location.hash)).split('?')[1]);

export async function zoom_asks_again({ url, context }) {
  const page = await open(context, url);
  await page.waitForSelector('#panel-height canvas');
  await settle(page);
  const box = await page.locator('#panel-height .u-over').boundingBox();
  const ask = page.waitForRequest((r) => new URL(r.url()).pathname.endsWith('/series/blocks'));
  await page.mouse.move(box.x + box.width * 0.4, box.y + 60);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 60, { steps: 5 });
  await page.mouse.up();
  await page.waitForFunction(() => location.hash.includes('from='));
  const { from, to } = Object.fromEntries(await params(page));
  const asked = new URL((await ask).url()).searchParams;
  assert.equal(asked.get('from'), from);
  assert.equal(asked.get('to'), to);
  // A fifth of the range, within a pixel or two.
  const whole = 40.8e6;
  assert.ok(Math.abs((Number(to) - Number(from)) / whole - 0.2) < 0.05, `${(to - from) / 1e6} s`);
  // The link keeps the view: the same range in a new page.
  const again = await open(context, url, await page.evaluate(() => location.hash));
  await again.waitForSelector('#panel-bytes_recv canvas');
  assert.equal((await params(again)).get('from'), from);
  await again.getByRole('link', { name: 'Blocks', exact: true }).click();
  await again.waitForFunction(() => location.hash.startsWith('#/blocks'));
  assert.equal((await params(again)).get('from'), from);
  // And back.
  await page.goBack();
  await linked(page, 'from', null);
  await page.getByRole('button', { name: 'Last 5 min' }).click();
  await linked(page, 'range', '5m');
  clean(page);
  clean(again);
}

export async function hover_and_keys({ url, context }) {
  const page = await open(context, url);
  await page.waitForSelector('#panel-bytes_recv canvas');
  await settle(page);
  const when = page.locator('#panel-bytes_recv .when');
  assert.equal(await when.innerText(), 'newest');
  const plot = page.locator('#panel-bytes_recv .plot');
  await plot.scrollIntoViewIfNeeded();
  const box = await plot.boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + 60);
  await page.waitForFunction(() => /\d\d:\d\d:\d\d/.test(document.querySelector('#panel-bytes_recv .when').textContent));
  // The same moment in the others.
  await page.waitForFunction(() => /\d\d:\d\d:\d\d/.test(document.querySelector('#panel-bytes_sent .when').textContent));
  await page.mouse.move(2, 2);
  // By keys alone, told to screen readers.
  await plot.focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowRight');
  const spoken = await page.locator('#panel-bytes_recv [aria-live]').textContent();
  assert.match(spoken, /\d\d:\d\d:\d\d.*payload .*B\/s/);
  assert.match(await plot.getAttribute('aria-label'), /^Chart, Bytes received\. payload: /);
  // As a table.
  await page.getByRole('button', { name: 'Bytes received as a table' }).click();
  const rows = await cells(page, 'Bytes received, as a table');
  assert.ok(rows.length > 1 && rows.every((r) => r.length === 3));
  // Marks tell the rule, on hover and on focus.
  const mark = page.locator('#tile-tip .mark');
  await mark.focus();
  assert.match(await page.locator('#tip').innerText(), /^Inferred: Height of the tip/);
  await page.keyboard.press('Escape');
  assert.ok(await page.locator('#tip').isHidden());
  await page.locator('#tile-mempool .mark').hover();
  assert.match(await page.locator('#tip').innerText(), /^Inferred: Transactions in the shadow mempool/);
  clean(page);
}

export async function peers_sort_and_filter({ url, context }) {
  const page = await open(context, url, '#/peers?ended=1');
  await page.waitForSelector('[aria-label=Peers] tbody tr');
  const head = page.locator('[aria-label=Peers] thead th', { hasText: 'Sent' });
  const values = () => page.$$eval('[aria-label=Peers] tbody tr', (rows) => rows.map((r) => Number([...r.querySelectorAll('td.num [data-tip$=" bytes"]')][1].dataset.tip.replace(/\D/g, ''))));
  assert.equal(await head.getAttribute('aria-sort'), 'none');
  await head.getByRole('button').first().click();
  assert.equal(await head.getAttribute('aria-sort'), 'descending');
  const down = await values();
  assert.deepEqual(down, down.slice().sort((a, b) => b - a));
  await head.getByRole('button').first().focus();
  await page.keyboard.press('Enter');
  assert.equal(await head.getAttribute('aria-sort'), 'ascending');
  assert.deepEqual(await values(), down.slice().sort((a, b) => a - b));
  await linked(page, 'sort', 'bytes_sent');
  // Filters, kept in the link.
  const all = (await cells(page, 'Peers')).length;
  await page.fill('[name=q]', 'recorder');
  await page.waitForFunction((n) => document.querySelectorAll('[aria-label=Peers] tbody tr').length < n, all);
  for (const row of await cells(page, 'Peers')) assert.match(row.join(' '), /recorder/);
  await page.fill('[name=q]', '');
  await page.selectOption('[name=direction]', 'outbound');
  await linked(page, 'direction', 'outbound');
  for (const row of await cells(page, 'Peers')) assert.match(row[1], /out/);
  await page.fill('[name=q]', 'nobody is named so');
  await page.waitForSelector('.empty');
  assert.match(await page.locator('.empty').innerText(), /No connection fits/);
  clean(page);
}

/** Answers the first of the page's requests to `what` itself; counts all. */
async function instead(context, what, answers) {
  const asked = [];
  await context.route(`**/api/v1/${what}?*`, async (route) => {
    asked.push(route.request().url());
    const answer = answers[asked.length - 1];
    await (answer ? route.fulfill(answer) : route.continue());
  });
  return asked;
}

export async function asks_again_after_a_failure({ url, context }) {
  const busy = { status: 503, contentType: 'application/json', body: JSON.stringify({ error: { code: 'busy', message: 'the store is busy' } }) };
  const asked = await instead(context, 'blocks', [busy, busy]);
  const page = await open(context, url, '#/blocks');
  await page.waitForSelector('[aria-label=Blocks] tbody tr');
  assert.equal(asked.length, 3);
  // What is wrong with the question is not asked again.
  await page.goto(`${url}/#/blocks/${'0'.repeat(64)}`);
  await page.waitForSelector('.empty');
  assert.match(await page.locator('.empty').innerText(), /no block of this hash/);
}

export async function the_list_of_blocks_may_come_late({ url, context }) {
  // The tip is told every second, and no further block comes that would have the list asked for.
  const status = await (await fetch(`${url}/api/v1/status`)).json();
  let told = 0;
  await context.route('**/api/v1/events', (route) => {
    told += 1;
    const now = { ...status, finished: false, time: status.time + told * 2e6 };
    return route.fulfill({ contentType: 'text/event-stream', body: `retry: 500\nevent: status\ndata: ${JSON.stringify(now)}\n\n` });
  });
  const none = { contentType: 'application/json', body: JSON.stringify({ blocks: [] }) };
  const asked = await instead(context, 'blocks', [none, none]);
  const page = await open(context, url, '#/blocks');
  await page.waitForSelector('[aria-label=Blocks] tbody tr');
  assert.ok(asked.length >= 3);
}

export async function a_hidden_page_catches_up({ program, context }) {
  const server = await serve(program, '--speed', '0.5x');
  try {
    const page = await open(context, server.url, '#/blocks');
    await page.locator('[aria-label=Blocks] tbody a').last().click();
    await page.waitForSelector('#panel-block dd');
    const transactions = page.locator('#panel-block .facts > div').filter({ hasText: 'Transactions' }).locator('dd');
    const hide = (hidden) =>
      page.evaluate((h) => {
        Object.defineProperty(document, 'hidden', { get: () => h, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      }, hidden);
    await hide(true);
    // More has become known of it meanwhile.
    let asked = 0;
    await context.route('**/api/v1/blocks/*', async (route) => {
      asked += 1;
      const answer = await route.fetch();
      await route.fulfill({ response: answer, json: { ...(await answer.json()), num_tx: 4321 } });
    });
    await page.waitForTimeout(1500);
    assert.equal(asked, 0, 'a page that nobody sees asks');
    assert.notEqual(number(await transactions.innerText()), 4321);
    await hide(false);
    await page.waitForFunction(() => /4.?321/.test(document.querySelector('#panel-block').textContent));
    clean(page);
  } finally {
    await server.stop();
  }
}

export async function messages_pass({ url, program, context }) {
  // A finished replay has none; says so, and what to do.
  const done = await open(context, url, '#/messages');
  await done.waitForSelector('.empty');
  assert.match(await done.locator('.empty').innerText(), /replay is finished/);
  clean(done);
  // As it happens.
  const slow = await serve(program, '--speed', '2x');
  try {
    const page = await open(context, slow.url, '#/messages');
    await page.waitForSelector('.stream tbody tr', { timeout: 60_000 });
    const row = page.locator('.stream tbody tr').last();
    await page.getByRole('button', { name: 'Pause' }).click();
    await row.locator('.says').click();
    await page.waitForSelector('.fields dl');
    assert.ok((await page.locator('.fields dt').count()) > 3);
    await page.getByRole('button', { name: 'Go on' }).click();
    // As slowly as people type: the page is drawn anew in between.
    await page.locator('[name=command]').pressSequentially('inv,tx', { delay: 300 });
    await page.keyboard.press('Enter');
    // Those of before that do not fit are gone at once, and those that come fit.
    const commands = () => page.$$eval('.stream tbody tr:not(.fields)', (rows) => rows.map((r) => r.children[3]?.textContent));
    await page.waitForFunction(() => location.hash.includes('command=inv'));
    for (const command of await commands()) assert.match(command, /^(inv|tx)$/);
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.waitForSelector('.stream tbody tr', { timeout: 60_000 });
    for (const command of await commands()) assert.match(command, /^(inv|tx)$/);
    // The overview moves meanwhile, without being asked to.
    const live = await open(context, slow.url);
    const clock = () => live.locator('.health .clock').innerText();
    const before = await clock();
    await live.waitForFunction((b) => document.querySelector('.health .clock').textContent !== b, before);
    clean(page);
    clean(live);
    // When the program is gone the page says so, and keeps what it has.
    await slow.stop();
    await live.waitForSelector('.health.lost');
    assert.ok(await live.locator('#tile-tip').isVisible());
  } finally {
    await slow.stop();
  }
}
