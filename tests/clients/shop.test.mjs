// The shop page of docs/guide.md in Chromium, as it is written: paid by hand, and by Stripe (localstripe and, for its pages,
// a stand-in); then the balance buys by itself from what was saved, and the money goes back.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { chromium } from 'playwright-core';

import { burn, freePort, shop, start } from './server.mjs';
import { startStripe } from './stripe.mjs';

const guide = readFileSync(join(import.meta.dirname, '../../docs/guide.md'), 'utf8');
const [, written] = /^```html shop\.html\n(.*?)^```$/ms.exec(guide);

let browser;
let stripe;
before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
  stripe = await startStripe();
});
after(async () => {
  await browser?.close();
  await stripe?.stop();
});

/** A server with the page of a shop of its own origin, open in a browser by acme's portal session. */
async function open(t, env, customer = 'acme') {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const server = await start({ origins: origin, env });
  t.after(() => server.stop());
  const ids = await shop(server);
  const html = written.replace('http://127.0.0.1:4000', server.base);
  const pages = createServer((_, response) => response.setHeader('content-type', 'text/html').end(html));
  await new Promise((resolve) => pages.listen(port, '127.0.0.1', resolve));
  t.after(() => {
    pages.closeAllConnections();
    pages.close();
  });
  const { product } = await server.ask('{ product(by: { key: "credits" }) { id } }');
  await server.ask(
    `mutation ($id: ID!) { createPurchaseOption(input: { productId: $id, name: "Small", credits: "50",
      price: { amount: "20", currency: "EUR" } }) { purchaseOption { id } } }`,
    { id: product.id },
  );
  if (customer !== 'acme') {
    await server.ask('mutation ($id: String!) { createCustomer(input: { externalId: $id, name: $id }) { customer { id } } }', { id: customer });
  }
  const { createPortalSession } = await server.ask(
    'mutation ($id: String!) { createPortalSession(input: { customer: { externalId: $id } }) { token } }',
    { id: customer },
  );
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  page.on('pageerror', (error) => assert.fail(error));
  page.setDefaultTimeout(20_000);
  await page.goto(`${origin}/shop.html#${createPortalSession.token}`);
  const shows = (text) => page.getByText(text, { exact: true }).waitFor();
  if (customer === 'acme') await shows('100 credits');
  return { server, page, shows, origin, balance: ids.balance, product: product.id, token: createPortalSession.token };
}

const purchases = async (server) => {
  const { purchases } = await server.ask(
    '{ purchases { nodes { id status origin provider providerReference failureReason refunded { amount } } } }',
  );
  return purchases.nodes;
};

test('the page has no more than 40 lines of script', () => {
  const [, script] = /<script type="module">\n(.*?)<\/script>/s.exec(written);
  const lines = script.split('\n').filter((line) => line.trim());
  assert.ok(lines.length <= 40, `${lines.length} lines`);
});

test('a customer buys, and his balance rises on the page when the money has come by hand', async (t) => {
  const { server, page, shows } = await open(t, {});
  const button = page.getByRole('button', { name: 'Small: 20.00 EUR (0.4 a credit)' });
  await button.click();
  await shows('Your order is PENDING.');
  await Promise.all([page.waitForResponse(/graphql/), button.click()]);
  await shows('Your order is PENDING.');
  const [purchase, ...others] = await purchases(server);
  assert.deepEqual([others.length, purchase.status, purchase.origin, purchase.provider], [0, 'PENDING', 'PORTAL', 'MANUAL']);
  await server.ask('mutation ($id: ID!) { markPurchasePaid(input: { purchaseId: $id }) { replayed } }', { id: purchase.id });
  await shows('150 credits');
  await shows('Thank you!');
  await button.click();
  await shows('Your order is PENDING.');
  assert.equal((await purchases(server)).length, 2, 'another one, since the first is settled');
  const [{ id }] = await purchases(server);
  await server.ask('mutation ($id: ID!) { cancelPurchase(input: { purchaseId: $id }) { replayed } }', { id });
  await Promise.all([page.waitForResponse(async (response) => (await response.text()).includes('purchaseCredits')), button.click()]);
  assert.equal((await purchases(server)).length, 3, 'another one, since the second is over');
});

test('a new customer buys once, however often the page is reloaded between two clicks', async (t) => {
  const { server, page, shows, origin, product, token } = await open(t, {}, 'newcomer');
  await shows('There is nothing to buy yet.');
  assert.equal(page.url(), `${origin}/shop.html`, 'the token is not in the address');
  await server.ask(
    `mutation ($id: ID!) { createCreditBalance(input: { customer: { externalId: "newcomer" }, productId: $id }) { balance { id } } }`,
    { id: product },
  );
  await page.reload();
  await shows('0 credits');
  const button = page.getByRole('button', { name: /Small/ });
  await button.click();
  await shows('Your order is PENDING.');
  await page.reload();
  await shows('Your order is PENDING.');
  // In another tab of the browser, too, a click leads to the open order.
  const other = await page.context().newPage();
  await other.goto(`${origin}/shop.html#${token}`);
  for (const tab of [page, other]) {
    const asked = tab.waitForResponse(async (response) => (await response.text()).includes('purchases'));
    await Promise.all([asked, tab.getByRole('button', { name: /Small/ }).click()]);
    await tab.getByText('Your order is PENDING.', { exact: true }).waitFor();
  }
  await other.close();
  const [purchase, ...others] = await purchases(server);
  assert.deepEqual([others.length, purchase.status, purchase.origin], [0, 'PENDING', 'PORTAL']);
  await server.ask('mutation ($id: ID!) { markPurchasePaid(input: { purchaseId: $id }) { replayed } }', { id: purchase.id });
  await shows('50 credits');
  await shows('Thank you!');
});

test('a page whose token does not hold says so', async (t) => {
  const { page, origin } = await open(t, {});
  page.removeAllListeners('pageerror');
  const told = page.getByText('The key or token is not valid, or not any more.', { exact: true }).waitFor();
  await page.goto(`${origin}/shop.html#ps_0`);
  await told;
});

test('a customer pays at Stripe, his balance rises, buys by itself from then on, and money goes back', async (t) => {
  const { server, page, shows, origin, balance } = await open(t, stripe.env);
  await stripe.tell(server);
  const delivery = stripe.delivery('payment_intent.succeeded');
  await page.getByRole('button', { name: /Small/ }).click();
  await page.locator('#pay').click();
  await page.waitForURL(`${origin}/shop.html`);
  assert.equal(await delivery, 200, 'the webhook that localstripe has signed is taken');
  const [first] = await purchases(server);
  assert.equal(first.status, 'PAID', 'once a webhook is answered, what it is about is settled');
  await shows('150 credits');
  assert.match(first.providerReference, /^pi_/);
  assert.equal((await stripe.ask(`/v1/payment_intents/${first.providerReference}`)).status, 'succeeded');

  const { creditBalance } = await server.ask('query ($id: ID!) { creditBalance(id: $id) { purchaseOptions { id } } }', { id: balance });
  await server.ask(
    `mutation ($input: SetAutoTopUpInput!) { setAutoTopUp(input: $input) { errors { message } } }`,
    { input: { balanceId: balance, enabled: true, threshold: '148', optionId: creditBalance.purchaseOptions[0].id } },
  );
  await burn(server, 'shop-1');
  await burn(server, 'shop-2');
  await shows('198 credits');
  const [second, ...others] = await purchases(server);
  assert.deepEqual([others.length, second.status, second.origin], [1, 'PAID', 'AUTO_TOP_UP']);
  const charged = await stripe.ask(`/v1/payment_intents/${second.providerReference}`);
  assert.deepEqual([charged.amount, charged.currency, charged.metadata], [2000, 'eur', { scrip_purchase: second.id }]);

  await server.ask('mutation ($id: ID!) { setAutoTopUp(input: { balanceId: $id, enabled: false }) { errors { message } } }', { id: balance });
  await server.ask('mutation ($id: ID!) { refundPurchase(input: { purchaseId: $id }) { replayed errors { message } } }', { id: second.id });
  await shows('148 credits');
  const [refunded] = await purchases(server);
  assert.deepEqual([refunded.status, refunded.refunded.amount, refunded.failureReason], ['REFUNDED', '20.00', null]);
  const back = await stripe.ask(`/v1/refunds?payment_intent=${second.providerReference}`);
  assert.deepEqual(back.data.map(({ amount, metadata }) => [amount, metadata]), [[2000, { scrip_purchase: second.id }]]);
});
