// A Stripe on loopback. Payments, customers, refunds and webhooks are localstripe's (PyPI), which knows no Checkout
// sessions: those are made here, with the page on which a customer pays. Everything else is passed on.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from './server.mjs';

export const secretKey = 'sk_test_clients';
export const webhookSecret = 'whsec_clients';
const authorization = `Bearer ${secretKey}`;

export async function startStripe() {
  const folder = mkdtempSync(join(tmpdir(), 'scrip-stripe-'));
  const port = await freePort();
  const localstripe = spawn(process.env.LOCALSTRIPE, ['--port', String(port), '--from-scratch'], {
    env: { ...process.env, TMPDIR: folder },
    stdio: 'ignore',
  });
  const behind = `http://127.0.0.1:${port}`;
  const ended = new Promise((resolve) => localstripe.once('exit', resolve));
  while (!(await fetch(behind).then(() => true, () => false))) {
    assert.equal(localstripe.exitCode, null, 'localstripe ended');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const ask = async (path, form) => {
    const body = form && new URLSearchParams(form);
    const answer = await fetch(`${behind}${path}`, { method: form ? 'POST' : 'GET', headers: { authorization }, body });
    assert.ok(answer.ok, `${path}: ${await answer.clone().text()}`);
    return answer.json();
  };

  const sessions = new Map();
  const routes = [
    [/^POST \/v1\/checkout\/sessions$/, async (_, form) => {
      const id = `cs_test_${sessions.size + 1}`;
      const amount = form.get('line_items[0][price_data][unit_amount]') * form.get('line_items[0][quantity]');
      sessions.set(id, {
        id,
        object: 'checkout.session',
        status: 'open',
        payment_status: 'unpaid',
        amount_total: amount,
        currency: form.get('line_items[0][price_data][currency]'),
        customer: form.get('customer'),
        payment_intent: null,
        metadata: { scrip_purchase: form.get('metadata[scrip_purchase]') },
        url: `${base}/pay/${id}`,
        success_url: form.get('success_url'),
      });
      return sessions.get(id);
    }],
    [/^GET \/v1\/checkout\/sessions\/(\w+)$/, async ([, id]) => {
      const session = sessions.get(id);
      const intent = session.payment_intent;
      return { ...session, payment_intent: intent && (await ask(`/v1/payment_intents/${intent}`)) };
    }],
    [/^POST \/v1\/checkout\/sessions\/(\w+)\/expire$/, async ([, id]) => Object.assign(sessions.get(id), { status: 'expired' })],
  ];

  // The page that Stripe would show, and what becomes of it.
  const pay = async (id) => {
    const session = sessions.get(id);
    const customer = session.customer ?? (await ask('/v1/customers', { description: id })).id;
    const card = { type: 'card', 'card[number]': '4242424242424242', 'card[exp_month]': 12, 'card[exp_year]': 2030, 'card[cvc]': 123 };
    const method = (await ask('/v1/payment_methods', card)).id;
    await ask(`/v1/payment_methods/${method}/attach`, { customer });
    const intent = await ask('/v1/payment_intents', {
      amount: session.amount_total,
      currency: session.currency,
      customer,
      payment_method: method,
      confirm: true,
      'metadata[scrip_purchase]': session.metadata.scrip_purchase,
    });
    Object.assign(session, { status: 'complete', payment_status: 'paid', customer, payment_intent: intent.id });
    return session.success_url;
  };

  // What localstripe tells goes by way of here, so that a test can wait for it.
  let told;
  const waiting = [];
  const passOn = async (body, headers) => {
    const { 'content-type': type, 'stripe-signature': signature } = headers;
    const { status } = await fetch(told, { method: 'POST', headers: { 'content-type': type, 'stripe-signature': signature }, body });
    const event = JSON.parse(body).type;
    for (const { kind, tell } of waiting) if (kind === event) tell(status);
    return status;
  };

  const front = createServer(async (request, response) => {
    try {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const body = Buffer.concat(chunks);
      const { pathname } = new URL(request.url, base);
      if (pathname === '/told') return response.writeHead(await passOn(body, request.headers)).end();
      if (pathname.startsWith('/pay/')) {
        if (request.method === 'GET') {
          response.setHeader('content-type', 'text/html');
          return response.end('<form method="post"><button id="pay">Pay</button></form>');
        }
        return response.writeHead(303, { location: await pay(pathname.slice(5)) }).end();
      }
      const asked = `${request.method} ${pathname}`;
      const [found, answer] = routes.find(([path]) => path.test(asked)) ?? [];
      if (found) {
        response.setHeader('content-type', 'application/json');
        return response.end(JSON.stringify(await answer(found.exec(asked), new URLSearchParams(body.toString()))));
      }
      const { authorization, 'content-type': type = 'application/x-www-form-urlencoded' } = request.headers;
      // A parameter that it does not know yet.
      const form = [...new URLSearchParams(body.toString())].filter(([name]) => !name.startsWith('automatic_payment_methods'));
      const passed = await fetch(`${behind}${request.url}`, {
        method: request.method,
        headers: { authorization, 'content-type': type },
        body: request.method === 'POST' ? new URLSearchParams(form).toString() : undefined,
      });
      response.writeHead(passed.status, { 'content-type': 'application/json' }).end(await passed.text());
    } catch (error) {
      console.error(error);
      response.writeHead(500).end();
    }
  });
  const frontPort = await freePort();
  const base = `http://127.0.0.1:${frontPort}`;
  await new Promise((resolve) => front.listen(frontPort, '127.0.0.1', resolve));

  return {
    env: { STRIPE_SECRET_KEY: secretKey, STRIPE_WEBHOOK_SECRET: webhookSecret, STRIPE_API_URL: base },
    ask,
    /** localstripe tells a server from now on, signed. */
    tell: async (server) => {
      told = `${server.base}/v1/webhooks/stripe`;
      const body = new URLSearchParams({ url: `${base}/told`, secret: webhookSecret });
      const answer = await fetch(`${behind}/_config/webhooks/scrip`, { method: 'POST', headers: { authorization }, body });
      assert.ok(answer.ok, 'localstripe takes an address to tell');
    },
    /** What the server answers to the next webhook of a kind. */
    delivery: (kind) => new Promise((tell) => waiting.push({ kind, tell })),
    stop: async () => {
      front.closeAllConnections();
      front.close();
      localstripe.kill();
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}
