// What the tests share: the program under test, the browser, and how a page is read.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
export const CAPTURE = join(ROOT, 'captures/btcd-v1/capture.pcap.zst');
/** Encrypted connections only. */
export const ENCRYPTED = join(ROOT, 'captures/btcd-v2-messages/capture.pcap.zst');
export const SHOTS = join(ROOT, 'target/screenshots');
export const PAGES = ['overview', 'peers', 'blocks', 'transactions', 'messages', 'query', 'sensor'];

/** The node is named, so that what ended before it could be found is there too. */
const SAME = ['--interval', '1s', '--node', '10.88.0.2'];

mkdirSync(SHOTS, { recursive: true });

/** The program with its dashboard on a port of its own; tells the address. */
export const serve = (program, ...more) => serveFile(program, CAPTURE, ...more);

/** The same with packets that a test made. */
export async function servePackets(program, packets, ...more) {
  const folder = mkdtempSync(join(tmpdir(), 'btcdmon-browser-'));
  const file = join(folder, 'made.pcap');
  writeFileSync(file, packets);
  const server = await serveFile(program, file, ...more);
  return { ...server, stop: () => server.stop().finally(() => rmSync(folder, { recursive: true, force: true })) };
}

/** The same with another capture. */
export async function serveFile(program, file, ...more) {
  const child = spawn(program, ['replay', '--serve', '--web', '127.0.0.1:0', ...SAME, ...more, file], { stdio: ['ignore', 'pipe', 'pipe'] });
  let told = '';
  const url = await new Promise((found, fail) => {
    const look = (chunk) => {
      told += chunk;
      const m = /https?:\/\/127\.0\.0\.1:\d+/.exec(told);
      if (m) found(m[0]);
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.on('exit', (code) => fail(new Error(`the program ended (${code}): ${told}`)));
  });
  return { url, child, stop: () => new Promise((done) => (child.exitCode !== null ? done() : (child.on('exit', done), child.kill()))) };
}

/** Waits until all packets are read. */
export async function finished({ url }) {
  while (!(await (await fetch(`${url}/api/v1/status`)).json()).finished) await new Promise((done) => setTimeout(done, 100));
}

/** What the page has to show, from the same capture by the command line: a store, and the summary. */
export function truth(program) {
  const folder = mkdtempSync(join(tmpdir(), 'btcdmon-browser-'));
  const store = join(folder, 'truth.db');
  const run = (...args) => execFileSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  // Times are too long for numbers here: to the millisecond, as the page shows them.
  const message = (line) => {
    const m = JSON.parse(line);
    const ms = Number(/"time":(\d+)/.exec(line)[1].slice(0, 13));
    return { ...m, clock: new Date(ms).toISOString().slice(11, 23), bytes: m.payload_bytes + 24 };
  };
  const summary = JSON.parse(run('replay', '--json', ...SAME, '--store', store, CAPTURE));
  return {
    summary,
    messages: run('messages', '--quiet', ...SAME.slice(2), CAPTURE).trim().split('\n').map(message),
    node: summary.nodes[0],
    sql: (text) => JSON.parse(run('query', '--json', '--store', store, text)),
    one: (text) => Object.values(JSON.parse(run('query', '--json', '--store', store, text))[0])[0],
    forget: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export async function browser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

/** A page that remembers everything that went wrong in it. */
export async function open(context, url, hash = '') {
  const page = await context.newPage();
  page.wrong = [];
  page.on('console', (m) => {
    if (['error', 'warning'].includes(m.type())) page.wrong.push(`${m.type()}: ${m.text()}`);
  });
  page.on('pageerror', (e) => page.wrong.push(`exception: ${e.message}`));
  page.on('dialog', (d) => {
    page.wrong.push(`dialog: ${d.message()}`);
    void d.dismiss();
  });
  page.on('request', (r) => {
    if (!r.url().startsWith(url)) page.wrong.push(`request to elsewhere: ${r.url()}`);
  });
  page.on('response', (r) => {
    if (r.status() >= 400 && !page.expected?.test(r.url())) page.wrong.push(`${r.status()} ${r.url()}`);
  });
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (e) => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI}`));
  });
  await page.goto(`${url}/${hash}`);
  await page.waitForSelector('#main h1', { state: 'attached' });
  return page;
}

/** No error in the console, no violation of the policy, no request elsewhere. */
export function clean(page) {
  assert.deepEqual(page.wrong, []);
}

/** A number as the page writes it: narrow spaces between thousands. */
export const plain = (text) => text.replace(/[\u202f\u00a0]/g, '').trim();
export const number = (text) => {
  const m = /-?[\d.]+/.exec(plain(text));
  assert.ok(m, `no number in “${text}”`);
  return Number(m[0]);
};

/** Waits until the page has drawn what it was told: effects run after a frame, and what they change is drawn in the next. */
export const drawn = (page) =>
  page.evaluate(async () => {
    for (let frame = 0; frame < 3; frame += 1) await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  });

/** Waits until the link has `value` for `name`, or no such name when null. */
export const linked = (page, name, value) =>
  page.waitForFunction(([n, v]) => new URLSearchParams(location.hash.split('?')[1]).get(n) === v, [name, value]);

/** Scrolls through the page, so that every panel comes into sight and asks; waits until none waits. */
export async function settle(page) {
  for (let y = 0; ; y += 500) {
    await page.evaluate((to) => scrollTo(0, to), y);
    await page.waitForTimeout(60);
    if (y > (await page.evaluate(() => document.documentElement.scrollHeight))) break;
  }
  await page.waitForFunction(() => !document.querySelector('.waiting, [aria-busy="true"]'), undefined, { timeout: 30_000 });
  await page.evaluate(() => scrollTo(0, 0));
  await drawn(page);
}

/** Colours of a panel's canvas other than the transparent ground and greys: 0 is a blank chart. */
export const colours = (page, panel) =>
  page.$eval(`#panel-${panel} canvas`, (canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let n = 0;
    for (let i = 0; i < data.length; i += 4) {
      const [r, g, b, a] = data.subarray(i, i + 4);
      if (a > 100 && Math.max(r, g, b) - Math.min(r, g, b) > 60) n += 1;
    }
    return n;
  });

/** The value of a line in a panel's legend. */
export async function legend(page, panel, label) {
  const keys = page.locator(`#panel-${panel} .legend .key`);
  for (const key of await keys.all()) {
    if ((await key.locator('button').first().innerText()).trim() === label) return plain(await key.locator('b').innerText());
  }
  throw new Error(`the panel ${panel} has no line “${label}”`);
}

/** Cells of a table, row by row, as text. */
export const cells = (page, region) =>
  page.$$eval(`[role=region][aria-label="${region}"] tbody tr`, (rows) => rows.map((r) => [...r.children].map((c) => c.textContent.trim())));
