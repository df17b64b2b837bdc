// Looks at a running sensor and tells on standard output what the page shows: live.mjs URL
// "height N" at each change of the tip on the overview, "row N" of the newest block in the list of blocks,
// both without a reload; "wrong …" for what went wrong in the page. Ends when standard input does.
import { browser, open } from './tools.mjs';

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

const pages = [await watch('', '#tile-tip strong', 'height'), await watch('#/blocks', '[aria-label=Blocks] tbody th', 'row')];
tell('ready');
process.stdin.resume();
process.stdin.on('end', async () => {
  // Chromium gives up what is under way when an address of the young namespace becomes valid (RFC 4862, duplicate address
  // detection); the page asks again.
  const wrong = pages.flatMap((page) => page.wrong).filter((text) => !text.includes('ERR_NETWORK_CHANGED'));
  for (const text of wrong) tell('wrong', text);
  await chrome.close();
  process.exit(0);
});
