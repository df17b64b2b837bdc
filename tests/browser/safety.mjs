// Peers name themselves: what they write is text, whatever it looks like.
import assert from 'node:assert/strict';
import { clean, open, serve, settle } from './tools.mjs';

const HOSTILE = '/<img src=x onerror="window.ran=1"><script>window.ran=1</script><b>bold</b>:1/';

export async function a_user_agent_is_text({ url, context }) {
  await context.route(/\/api\/v1\/peers(\?|\/)/, async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    for (const p of body.peers ?? [body]) p.user_agent = HOSTILE;
    await route.fulfill({ response, json: body });
  });
  await context.route(/\/api\/v1\/series\/peers\?.*by=user_agent/, async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    for (const l of body.lines) l.tags.user_agent = HOSTILE;
    await route.fulfill({ response, json: { ...body, lines: body.lines.slice(0, 1) } });
  });
  const page = await open(context, url, '#/peers?ended=1');
  await page.waitForSelector('.agent');
  const told = (p) => p.evaluate(() => ({ ran: window.ran, made: document.querySelectorAll('#main img, #main script, #main b:not(.num), .tip *').length }));
  assert.equal(await page.locator('.agent').first().textContent(), HOSTILE);
  await page.locator('.agent').first().hover();
  assert.equal(await page.locator('#tip').textContent(), HOSTILE);
  assert.deepEqual(await told(page), { ran: undefined, made: 0 });
  await page.locator('[aria-label=Peers] tbody a').first().click();
  await page.waitForSelector('#panel-who');
  assert.equal(await page.locator('#panel-who dd').first().textContent(), HOSTILE);
  assert.deepEqual(await told(page), { ran: undefined, made: 0 });
  const overview = await open(context, url);
  await settle(overview);
  assert.equal(await overview.locator('#panel-agents .name').first().textContent(), HOSTILE);
  assert.deepEqual(await told(overview), { ran: undefined, made: 0 });
  clean(page);
  clean(overview);
}

export async function a_link_is_text({ url, context }) {
  const page = await open(context, url, `#/${encodeURIComponent(HOSTILE)}?sort=${encodeURIComponent(HOSTILE)}&q=${encodeURIComponent(HOSTILE)}`);
  await page.waitForSelector('.empty');
  await page.goto(`${url}/#/peers?q=${encodeURIComponent(HOSTILE)}&sort=${encodeURIComponent(HOSTILE)}`);
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
    await page.getByRole('link', { name: 'Peers', exact: true }).first().click();
    await page.waitForSelector('.login [name=token]');
    await enter(token);
    await page.waitForSelector('[aria-label=Peers] tbody tr');
    assert.match(page.url(), /#\/peers/);
  } finally {
    await server.stop();
  }
}
