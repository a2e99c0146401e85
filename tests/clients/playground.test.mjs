// The playground in a real browser, on the demo data: every example, and a live stream; no request to anywhere else.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { chromium } from 'playwright-core';

import { examples } from '../../assets/playground/src/examples.js';

const nameOf = ({ query }) => /^(?:query|mutation|subscription) (\w+)/m.exec(query)[1];

let folder;
let demo;
let base;
let browser;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'scrip-playground-'));
  demo = spawn(process.env.SCRIP, ['dev'], { cwd: folder, env: { ...process.env, SCRIP_LISTEN: '127.0.0.1:0' } });
  let said = '';
  const told = (found) =>
    new Promise((resolve, reject) => {
      const look = (text) => {
        said += text;
        const match = found.exec(said);
        if (match) resolve(match);
      };
      demo.stdout.on('data', look);
      demo.stderr.on('data', look);
      demo.once('exit', () => reject(new Error(said)));
      look('');
    });
  base = (await told(/at (http:\/\/[\d.:]+)\//))[1];
  await told(/a trickle of usage goes on/);
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
});
after(async () => {
  const [page] = browser?.contexts()[0]?.pages() ?? [];
  if (process.env.SCREENSHOT) await page?.screenshot({ path: process.env.SCREENSHOT });
  await browser?.close();
  demo.kill('SIGTERM');
  await new Promise((resolve) => demo.once('exit', resolve));
  rmSync(folder, { recursive: true });
});

test('the examples run, a stream is live, and nobody else is asked for anything', async () => {
  const problems = [];
  const page = await browser.newPage({ viewport: { width: 1600, height: 900 } });
  page.on('console', (message) => message.type() === 'error' && problems.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => problems.push(`uncaught: ${error.message}`));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith('http') && url.origin !== base) problems.push(`another origin: ${url}`);
  });
  page.on('websocket', (socket) => {
    if (new URL(socket.url()).host !== new URL(base).host) problems.push(`another origin: ${socket.url()}`);
  });
  await page.goto(base, { waitUntil: 'load' });
  const editor = page.locator('.graphiql-query-editor .monaco-editor').first();
  await editor.waitFor({ timeout: 30_000 });
  const result = page.locator('.result-window');
  const button = page.locator('.graphiql-execute-button');
  let group;
  for (const [index, example] of examples.entries()) {
    const name = nameOf(example);
    if (example.group !== group) await page.getByRole('button', { name: (group = example.group), exact: true }).click();
    await page.locator('.graphiql-tab').nth(index).locator('button').first().click();
    await editor.click();
    // GraphiQL finds out a little later which operation the tab holds.
    await page.waitForFunction(
      ([index, name]) => {
        const state = JSON.parse(localStorage.getItem('scrip:graphiql:tabState') ?? '{}');
        return state.activeTabIndex === index && state.tabs[index].operationName === name;
      },
      [index, name],
    );
    if (/^subscription/m.test(example.query)) {
      await button.click();
      // The demo's usage goes on: an entry comes by itself.
      const live = result.filter({ hasText: '"availableAfter"' }).waitFor({ timeout: 30_000 });
      await live.catch(() => problems.push(`${name} is not live`));
      await button.click();
      continue;
    }
    const answer = page.waitForResponse((response) => response.request().postDataJSON()?.operationName === name);
    await button.click();
    const { data, errors } = await (await answer.catch((error) => assert.fail(`${name}: ${error.message}`))).json();
    // What asks for an id of an example before it says so in its variables.
    const wantsIds = Object.values(example.variables ?? {}).some((value) => String(value).startsWith('<'));
    if (!wantsIds && (errors || !data)) problems.push(`${name}: ${JSON.stringify(errors).slice(0, 300)}`);
  }
  assert.deepEqual(problems, []);
});

test('a group shows its own examples', async () => {
  const page = await browser.newPage({ viewport: { width: 1600, height: 900 } });
  await page.goto(base, { waitUntil: 'load' });
  const shown = () => page.locator('.graphiql-tab:visible .graphiql-tab-button').allTextContents();
  const of = (group) => examples.filter((example) => example.group === group).map(nameOf);
  for (const group of ['Buying', 'Operating', 'Basics']) {
    await page.getByRole('button', { name: group, exact: true }).click();
    await page.locator('.graphiql-tab-active .graphiql-tab-button', { hasText: of(group)[0] }).waitFor();
    assert.deepEqual(await shown(), of(group));
  }
  await page.close();
});

test('on a narrow screen the panes stand one above the other, and the tabs scroll in one row', async () => {
  const page = await browser.newPage({ viewport: { width: 390, height: 844 } });
  await page.goto(base, { waitUntil: 'load' });
  await page.locator('.graphiql-query-editor .monaco-editor').first().waitFor({ timeout: 30_000 });
  const [editors, response, tabs] = await Promise.all(
    ['.graphiql-editors', '.graphiql-response', '.graphiql-tabs'].map((name) => page.locator(name).boundingBox()),
  );
  assert.ok(editors.y + editors.height <= response.y + 1, 'the answer is below the question');
  assert.ok(Math.min(editors.height, response.height) > 250, 'both have room');
  assert.ok(editors.width > 300 && response.width > 300, 'both have the width of the screen');
  assert.ok(tabs.height < 60, 'the tabs are one row');
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  const documentation = await page.locator('.graphiql-plugin').boundingBox();
  assert.ok(documentation.width > 300, 'the documentation has the width of the screen');
  await page.getByRole('button', { name: 'Hide Documentation Explorer' }).click();
  assert.ok((await page.locator('.graphiql-plugin').boundingBox()).x < 0, 'and goes');
  await page.close();
});

test('an explanation with × has no warning about its letters', async () => {
  const page = await browser.newPage({ viewport: { width: 1600, height: 900 } });
  await page.goto(base, { waitUntil: 'load' });
  const editor = page.locator('.graphiql-query-editor .monaco-editor').first();
  await editor.waitFor({ timeout: 30_000 });
  await page.locator('.graphiql-tab', { hasText: 'WhyDidItBurn' }).locator('button').first().click();
  await page.locator('.graphiql-execute-button').click();
  await page.locator('.result-window', { hasText: '×' }).waitFor({ timeout: 30_000 });
  assert.equal(await page.locator('.unicode-highlight').count(), 0);
  await page.close();
});

test('behind a proxy it works below a path', async (t) => {
  const proxy = createServer((request, response) => {
    const path = request.url.replace(/^\/scrip\//, '/');
    if (path === request.url) return response.writeHead(404).end();
    const headers = { ...request.headers, host: new URL(base).host };
    const passed = httpRequest(`${base}${path}`, { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    request.pipe(passed);
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  t.after(() => proxy.closeAllConnections() ?? proxy.close());
  const page = await browser.newPage({ viewport: { width: 1600, height: 900 } });
  const missing = [];
  page.on('response', (response) => response.status() === 404 && missing.push(response.url()));
  await page.goto(`http://127.0.0.1:${proxy.address().port}/scrip/`, { waitUntil: 'load' });
  await page.locator('.graphiql-query-editor .monaco-editor').first().waitFor({ timeout: 30_000 });
  await page.locator('.graphiql-execute-button').click();
  await page.locator('.result-window', { hasText: 'creditBalances' }).waitFor({ timeout: 30_000 });
  assert.deepEqual(missing, []);
  await page.close();
});

test('an address with another key asks before it replaces the one that the browser keeps', async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const kept = () => page.evaluate(() => localStorage.getItem('scrip-key'));
  const asked = [];
  let answer = 'dismiss';
  page.on('dialog', async (dialog) => {
    asked.push(dialog.message());
    await dialog[answer]();
  });
  const open = async (key) => {
    await page.goto('about:blank');
    await page.goto(`${base}/#key=${key}`);
    assert.equal(new URL(page.url()).hash, '', 'and the key leaves the address');
  };
  await open('sk_one');
  await open('sk_one');
  assert.deepEqual([await kept(), asked], ['sk_one', []]);
  await open('sk_other');
  assert.deepEqual([await kept(), asked.length], ['sk_one', 1]);
  answer = 'accept';
  await open('sk_other');
  assert.deepEqual([await kept(), asked.length], ['sk_other', 2]);
  await context.close();
});
