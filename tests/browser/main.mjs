// Runs the tests one after the other on one program and one browser: main.mjs PROGRAM [TEST...]
import { browser, serve, truth } from './tools.mjs';
import * as look from './look.mjs';
import * as numbers from './numbers.mjs';
import * as use from './use.mjs';
import * as safety from './safety.mjs';

const TESTS = { ...numbers, ...use, ...safety, ...look };
const [program, ...wanted] = process.argv.slice(2);
const unknown = wanted.filter((name) => !TESTS[name]);
if (!program || unknown.length) {
  console.error(`usage: main.mjs PROGRAM [TEST...]; tests are ${Object.keys(TESTS).join(', ')}`);
  process.exit(2);
}

const known = truth(program);
const server = await serve(program);
if ((await fetch(server.url)).headers.get('content-type')?.includes('html') !== true || !(await (await fetch(server.url)).text()).includes('id="app"')) {
  console.error('SKIPPED: the browser tests need a program that was built with the page (make ui, then build)');
  await server.stop();
  process.exit(3);
}
const chrome = await browser();
const failed = [];
const names = wanted.length ? wanted : Object.keys(TESTS);
for (const name of names) {
  const started = performance.now();
  const context = await chrome.newContext({ viewport: { width: 1440, height: 1000 }, colorScheme: 'light' });
  context.setDefaultTimeout(30_000);
  try {
    const note = await TESTS[name]({ program, url: server.url, context, chrome, known });
    console.log(`ok      ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)${note ? `: ${note}` : ''}`);
  } catch (error) {
    failed.push(name);
    console.log(`FAILED  ${name}\n${error.stack}`);
    const page = context.pages()[0];
    if (page) await page.screenshot({ path: `target/screenshots/failed-${name}.png` }).catch(() => undefined);
    if (page?.wrong?.length) console.log(`  the page says: ${page.wrong.join('; ')}`);
  }
  await context.close();
}
await chrome.close();
await server.stop();
known.forget();
console.log(`${names.length - failed.length} passed, ${failed.length} failed`);
process.exit(failed.length ? 1 : 0);
