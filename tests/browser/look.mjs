// How it looks, for people and for assistive programs; how much it weighs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { clean, open, PAGES, SHOTS, settle } from './tools.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Compressed bytes of the page itself at most. */
const MOST = 200 * 1024;

/** Every page, and one peer, block and transaction. */
async function all(url) {
  const get = async (path) => (await fetch(`${url}/api/v1/${path}`)).json();
  const { peers } = await get('peers?closed=true');
  const { blocks } = await get('blocks?limit=1');
  const { rows } = await get(`query?sql=${encodeURIComponent('SELECT txid FROM tx_fees LIMIT 1')}`);
  const busiest = peers.sort((a, b) => b.bytes_recv - a.bytes_recv)[0];
  const sql = encodeURIComponent('SELECT script_type, count(*) AS outputs, sum(value) / 1e8 AS btc\nFROM tx_outputs\nGROUP BY script_type ORDER BY outputs DESC');
  return [
    ...PAGES.filter((p) => p !== 'query').map((p) => [p, `#/${p}`]),
    ['query', `#/query?sql=${sql}`],
    ['peer', `#/peers/${busiest.id}`],
    ['block', `#/blocks/${blocks[0].hash}`],
    ['transaction', `#/transactions/${rows[0][0]}`],
  ];
}

async function shoot(page, name) {
  // What moves by itself would make every picture another one.
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true, animations: 'disabled' });
}

export async function screenshots({ url, chrome }) {
  const pages = await all(url);
  for (const colorScheme of ['light', 'dark']) {
    const context = await chrome.newContext({ viewport: { width: 1440, height: 900 }, colorScheme });
    for (const [name, hash] of pages) {
      const page = await open(context, url, hash);
      await settle(page);
      await shoot(page, `${name}-${colorScheme}`);
      // Those of the README: as one sees them first (cwebp -q 80 makes docs/images of them).
      if (['overview', 'blocks'].includes(name)) await page.screenshot({ path: join(SHOTS, `${name}-${colorScheme}-first.png`), animations: 'disabled' });
      clean(page);
      await page.close();
    }
    await context.close();
  }
  return `${pages.length} pages, light and dark, in target/screenshots`;
}

export async function phone({ url, chrome }) {
  const pages = await all(url);
  for (const width of [390, 320]) {
    const context = await chrome.newContext({ viewport: { width, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 });
    for (const [name, hash] of pages) {
      const page = await open(context, url, hash);
      await settle(page);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(over <= 0, `${name} is ${over} px wider than a phone of ${width} px`);
      if (name === 'block') assert.ok(await page.$eval('.lanes', (e) => e.scrollWidth <= e.clientWidth), 'the timeline is wider than a phone');
      if (width === 390) await shoot(page, `${name}-phone`);
      clean(page);
      await page.close();
    }
    await context.close();
  }
}

/** The rules of axe-core, on every page, light and dark. */
export async function accessible({ url, chrome }) {
  const pages = await all(url);
  const found = [];
  for (const colorScheme of ['light', 'dark']) {
    const context = await chrome.newContext({ viewport: { width: 1440, height: 900 }, colorScheme });
    for (const [name, hash] of pages) {
      const page = await open(context, url, hash);
      await settle(page);
      await page.evaluate(AXE);
      const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
      for (const v of violations) found.push(`${name} ${colorScheme}: ${v.impact} ${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 120)).join(' | ')}`);
      assert.equal(await page.locator('h1').count(), 1, `${name} has not one heading of the first rank`);
      await page.close();
    }
    await context.close();
  }
  assert.deepEqual(found, []);
}

export async function the_toggle_keeps({ url, context }) {
  const page = await open(context, url);
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.locator('#theme').click();
  assert.equal(await ground(), light);
  await page.locator('#theme').click();
  const dark = await ground();
  assert.notEqual(dark, light);
  await page.reload();
  await page.waitForSelector('#tile-tip');
  assert.equal(await ground(), dark);
  clean(page);
}

/** Size, requests and time to the first chart: printed; only the size is a promise. */
export async function weight({ url, chrome }) {
  const context = await chrome.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  const sizes = new Map();
  const urls = new Map();
  session.on('Network.responseReceived', (e) => urls.set(e.requestId, e.response.url));
  session.on('Network.loadingFinished', (e) => sizes.set(e.requestId, e.encodedDataLength));
  await page.addInitScript(() => {
    const look = () => {
      const canvas = document.querySelector('.plot canvas');
      if (canvas && canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((v) => v > 0)) globalThis.firstChart = performance.now();
      else requestAnimationFrame(look);
    };
    addEventListener('DOMContentLoaded', look);
  });
  await page.goto(url);
  await page.waitForFunction(() => globalThis.firstChart);
  await page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'));
  const first = await page.evaluate(() => globalThis.firstChart);
  let own = 0;
  let api = 0;
  let requests = 0;
  for (const [id, size] of sizes) {
    requests += 1;
    if (urls.get(id)?.includes('/api/')) api += size;
    else own += size;
  }
  await context.close();
  assert.ok(own > 10_000 && own < MOST, `the page weighs ${own} bytes`);
  return `page ${(own / 1024).toFixed(1)} KiB compressed, figures ${(api / 1024).toFixed(1)} KiB, ${requests} requests, first chart after ${Math.round(first)} ms`;
}
