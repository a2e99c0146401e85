// Opens the playground of a running server in a headless Chromium, uses it, and says what went wrong.
//
//   node smoke.mjs http://127.0.0.1:4000 shot.png [--key KEY] [--playwright DIR] [--chromium FILE]
//
// It needs the npm package playwright-core: in the folder DIR (that which holds node_modules), or on NODE_PATH.
// Exit code 0 when the page showed every example tab, ran the first one without an error, opened the documentation,
// completed a field, logged no error, broke no content policy and asked no other origin for anything.

import { createRequire } from 'node:module';
import { delimiter, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { examples } from './src/examples.js';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    key: { type: 'string' },
    playwright: { type: 'string' },
    chromium: { type: 'string', default: '/usr/bin/chromium' },
  },
});
const [base, screenshot] = positionals;
if (!base || !screenshot) {
  console.error('usage: node smoke.mjs BASE_URL SCREENSHOT.png [--key KEY] [--playwright DIR] [--chromium FILE]');
  process.exit(2);
}

const places = [options.playwright, import.meta.dirname, ...(process.env.NODE_PATH ?? '').split(delimiter)].filter(Boolean);
const require = createRequire(import.meta.url);
const { chromium } = require(
  require.resolve('playwright-core', { paths: places.flatMap((place) => [resolve(place), join(resolve(place), 'node_modules')]) }),
);

const problems = [];
const expect = (holds, otherwise) => holds || problems.push(otherwise);

const origin = new URL(base).origin;
const names = examples.map(({ query }) => /^(?:query|mutation|subscription) (\w+)/m.exec(query)[1]);
const browser = await chromium.launch({
  executablePath: options.chromium,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--no-first-run',
  ],
});

try {
  const context = await browser.newContext({ viewport: { width: 1600, height: 900 } });
  const page = await context.newPage();
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(`console ${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => problems.push(`uncaught: ${error.message}`));
  page.on('requestfailed', (request) => problems.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
  context.on('request', (request) => {
    const url = new URL(request.url());
    if (['http:', 'https:'].includes(url.protocol) && url.origin !== origin) problems.push(`another origin: ${url}`);
  });
  page.on('websocket', (socket) => {
    if (new URL(socket.url()).host !== new URL(base).host) problems.push(`another origin: ${socket.url()}`);
  });
  await page.addInitScript(() => {
    globalThis.policyViolations = [];
    document.addEventListener('securitypolicyviolation', (event) =>
      globalThis.policyViolations.push(`${event.violatedDirective} ${event.blockedURI}`),
    );
  });

  await page.goto(`${base}${options.key ? `#key=${encodeURIComponent(options.key)}` : ''}`, { waitUntil: 'load' });
  const editor = page.locator('.graphiql-query-editor .monaco-editor').first();
  await editor.waitFor({ timeout: 30_000 });
  expect((await page.title()) === 'Scrip', 'the title is not Scrip');
  expect(!page.url().includes('key='), 'the key is still in the address bar');
  const tabs = await page.locator('.graphiql-tab').allInnerTexts();
  expect(tabs.map((tab) => tab.trim()).join() === names.join(), `the tabs are ${tabs.join()}`);

  // The first tab's operation.
  const answer = page.waitForResponse((response) => response.request().postDataJSON()?.operationName === names[0]);
  await editor.click();
  await page.keyboard.press('Control+Enter');
  const body = await (await answer).json();
  expect(body.data && !body.errors, `${names[0]} answered ${JSON.stringify(body).slice(0, 500)}`);
  await page.locator('.result-window', { hasText: '"data"' }).waitFor({ timeout: 10_000 });

  // The documentation: the book is the first button of the sidebar.
  await page.getByRole('button', { name: /documentation explorer/i }).click();
  await page.locator('.graphiql-doc-explorer', { hasText: 'Mutation' }).waitFor({ timeout: 10_000 });
  await page.screenshot({ path: screenshot });

  // Completion, in a tab of its own so that no example changes.
  await page.getByRole('button', { name: 'New tab' }).click();
  await editor.click();
  await page.keyboard.press('Control+A');
  await page.keyboard.type('{ custom', { delay: 60 });
  await page.keyboard.press('Control+Space');
  const suggestion = page.locator('.suggest-widget.visible .monaco-list-row', { hasText: 'customers' });
  await suggestion
    .first()
    .waitFor({ timeout: 20_000 })
    .catch(() => problems.push('nothing was suggested for "custom"'));

  const violations = await page.evaluate(() => globalThis.policyViolations);
  problems.push(...violations.map((violation) => `content policy: ${violation}`));
} catch (error) {
  problems.push(String(error));
} finally {
  await browser.close();
}

for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
console.log(`The playground at ${base} works; see ${screenshot}.`);
