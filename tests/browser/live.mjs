// Looks at a running sensor and tells on standard output what the page shows: live.mjs URL
// "height N" at each change of the tip on the overview, "row N" of the newest block in the list of blocks,
// both without a reload; at each line of standard input "figures {…}", what all the pages show now; "wrong …" for what
// went wrong in a page. Ends when standard input does.
import { createInterface } from 'node:readline';
import { browser, cells, number, open, settle } from './tools.mjs';

const [url] = process.argv.slice(2);
const tell = (...words) => console.log(...words);
const chrome = await browser();
const context = await chrome.newContext({ viewport: { width: 1440, height: 900 } });
await context.exposeFunction('tell', tell);

async function watch(hash, selector, word) {
  const page = await open(context, url, hash);
  await page.waitForSelector(selector);
  await page.evaluate(
    ([at, name]) => {
      let last = '';
      const look = () => {
        const text = document.querySelector(at)?.textContent.replace(/[^\d]/g, '') ?? '';
        if (text && text !== last) globalThis.tell(name, (last = text));
      };
      look();
      new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
    },
    [selector, word],
  );
  return page;
}

/** Messages of blocks that pass while the others are looked at. */
async function listen() {
  const page = await open(context, url, '#/messages?command=block');
  await page.waitForFunction(() => document.querySelector('h1')?.parentElement.textContent.includes('Live'));
  return page;
}

/** What the pages show, as a reader would take it down. */
async function figures(messages) {
  const fresh = [];
  const look = async (hash, read) => {
    const page = await open(context, url, hash);
    fresh.push(page);
    await settle(page);
    const seen = await read(page);
    await page.close();
    return seen;
  };
  const sql = 'SELECT count(*) AS n, max(best_height) AS height FROM blocks';
  const found = {
    overview: await look('', async (page) => {
      const tile = async (name) => number(await page.locator(`#tile-${name} strong`).innerText());
      return { tip: await tile('tip'), peers: await tile('peers'), mempool: await tile('mempool') };
    }),
    peers: await look('#/peers', async (page) => (await cells(page, 'Peers')).map((row) => row[0])),
    blocks: await look('#/blocks', async (page) => (await cells(page, 'Blocks')).map((row) => number(row[0]))),
    transactions: await look('#/transactions', (page) => page.$$eval('#panel-sizes li .num', (all) => all.reduce((sum, n) => sum + Number(n.textContent.replace(/\D/g, '')), 0))),
    messages: await messages.$$eval('.stream tbody tr', (rows) => rows.map((r) => [r.children[2].textContent.trim(), r.children[3].textContent.trim(), Number(r.children[4].textContent.replace(/\D/g, ''))])),
    query: await look(`#/query?sql=${encodeURIComponent(sql)}`, async (page) => {
      await page.waitForSelector('[aria-label=Result] td');
      return (await cells(page, 'Result'))[0].map(number);
    }),
    sensor: await look('#/sensor', (page) => page.$$eval('#panel-capture .facts > div', (all) => Object.fromEntries(all.map((d) => [d.children[0].textContent, d.children[1].textContent.replace(/[^\d(]/g, '').split('(')[0]])))),
  };
  pages.push(...fresh);
  return found;
}

const pages = [await watch('', '#tile-tip strong', 'height'), await watch('#/blocks', '[aria-label=Blocks] tbody th', 'row')];
const messages = await listen();
pages.push(messages);
tell('ready');
const asked = createInterface({ input: process.stdin });
asked.on('line', async () => tell(`figures ${JSON.stringify(await figures(messages))}`));
asked.on('close', async () => {
  // Chromium gives up what is under way when an address of the young namespace becomes valid (RFC 4862, duplicate address
  // detection); the page asks again.
  const wrong = pages.flatMap((page) => page.wrong).filter((text) => !text.includes('ERR_NETWORK_CHANGED'));
  for (const text of wrong) tell('wrong', text);
  await chrome.close();
  process.exit(0);
});
