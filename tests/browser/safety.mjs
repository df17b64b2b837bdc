// Peers name themselves: what they write is text, whatever it looks like.
import assert from 'node:assert/strict';
import { AGENTS, capture } from './hostile.mjs';
import { cells, clean, finished, open, serve, servePackets, settle } from './tools.mjs';

/** That nothing of a peer's text became a part of the page, or ran. */
async function untouched(page) {
  const told = await page.evaluate(() => ({
    ran: window.ran,
    made: [...document.querySelectorAll('img, svg[onload], iframe, #app script, #main b:not(.num), #tip *')].map((e) => e.outerHTML),
  }));
  assert.deepEqual(told, { ran: undefined, made: [] });
  clean(page);
}

export async function a_user_agent_is_text({ program, context }) {
  const server = await servePackets(program, capture(AGENTS.length));
  try {
    await finished(server);
    const page = await open(context, server.url, '#/peers?ended=1');
    await page.waitForSelector('[aria-label=Peers] tbody tr .agent');
    for (const agent of AGENTS) {
      const row = page.locator('[aria-label=Peers] tbody tr').filter({ hasText: agent });
      const cell = row.locator('.agent');
      assert.equal(await cell.textContent(), agent);
      await cell.hover();
      assert.equal(await page.locator('#tip').textContent(), agent);
      await untouched(page);
      await row.locator('a').first().click();
      await page.waitForSelector('#panel-who');
      assert.equal(await page.locator('#panel-who dd').first().textContent(), agent);
      await untouched(page);
      await page.goBack();
      await page.waitForSelector('[aria-label=Peers] tbody tr .agent');
    }
    const overview = await open(context, server.url);
    await settle(overview);
    const names = await overview.locator('#panel-agents .name').allTextContents();
    assert.deepEqual(names.sort(), [...AGENTS].sort());
    await overview.locator('#panel-agents li').first().hover();
    await untouched(overview);

    const sql = "SELECT DISTINCT user_agent FROM peers WHERE user_agent <> '' AND direction = 'inbound' ORDER BY 1";
    const query = await open(context, server.url, `#/query?sql=${encodeURIComponent(sql)}`);
    await query.waitForSelector('[aria-label=Result] tbody tr');
    assert.deepEqual((await cells(query, 'Result')).flat(), [...AGENTS].sort());
    await untouched(query);
    // The text as a part of a query, in the error that quotes it.
    query.expected = /\/query\?/;
    await query.fill('#sql', AGENTS[1]);
    await query.keyboard.press('Control+Enter');
    await query.waitForSelector('.trouble');
    query.wrong = query.wrong.filter((w) => !/status of 400/.test(w));
    await untouched(query);
  } finally {
    await server.stop();
  }
}

export async function a_user_agent_that_passes_is_text({ program, context }) {
  const server = await servePackets(program, capture(600), '--speed', '1x');
  try {
    const page = await open(context, server.url, '#/messages?command=version&direction=recv');
    for (const agent of AGENTS) {
      const says = page.locator('[aria-label=Messages] .says').filter({ hasText: agent });
      await says.first().waitFor();
      // Rows move down as messages come: no more of them, so that this one can be hit.
      await page.getByRole('button', { name: 'Pause' }).click();
      await says.first().click();
      const field = page.locator('[aria-label=Messages] .fields dd').filter({ hasText: agent });
      assert.equal(await field.textContent(), agent);
      await untouched(page);
      await says.first().click();
      await page.getByRole('button', { name: 'Go on' }).click();
    }
  } finally {
    await server.stop();
  }
}

export async function a_link_is_text({ url, context }) {
  const page = await open(context, url, `#/${encodeURIComponent(AGENTS[0])}?sort=${encodeURIComponent(AGENTS[0])}&q=${encodeURIComponent(AGENTS[0])}`);
  await page.waitForSelector('.empty');
  await page.goto(`${url}/#/peers?q=${encodeURIComponent(AGENTS[0])}&sort=${encodeURIComponent(AGENTS[0])}`);
  await page.waitForSelector('.empty');
  assert.equal(await page.evaluate(() => window.ran), undefined);
  clean(page);
}

export async function the_policy_is_strict({ url }) {
  const response = await fetch(url);
  const policy = response.headers.get('content-security-policy') ?? '';
  assert.match(policy, /default-src 'none'|default-src 'self'/);
  assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
  const html = await response.text();
  assert.doesNotMatch(html, /<script(?![^>]*src=)|\sstyle=|\son\w+=/i);
}

export async function a_token_opens_it({ program, context }) {
  const token = 'sixteen characters or more';
  const server = await serve(program, '--web-token', token);
  try {
    assert.equal((await fetch(`${server.url}/api/v1/status`)).status, 401);
    const page = await context.newPage();
    const enter = async (text) => {
      await page.fill('[name=token]', text);
      await page.keyboard.press('Enter');
    };
    await page.goto(server.url);
    await enter('not the right one at all');
    await page.waitForSelector('[name=token]');
    assert.equal(await page.locator('#tile-tip').count(), 0);
    await enter(token);
    await page.waitForSelector('#tile-tip');
    assert.doesNotMatch(page.url(), /token/);
    // The cookie is gone, as after a restart of the browser: the page asks again, and comes back to where one was.
    await context.clearCookies();
    // What the page fetches by itself may be refused before a link could be clicked.
    await page.evaluate(() => { location.hash = '#/peers'; });
    await page.waitForSelector('.login [name=token]');
    await enter(token);
    await page.waitForSelector('[aria-label=Peers] tbody tr');
    assert.match(page.url(), /#\/peers/);
  } finally {
    await server.stop();
  }
}
