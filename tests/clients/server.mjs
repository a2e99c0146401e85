// A server for one test file: `scrip serve` on a database of its own, with keys, a small shop and a customer.
//
// SCRIP is the program. SCRIP_STORE says which database: `sqlite`, or the URL of a PostgreSQL server in which databases
// may be made.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const program = process.env.SCRIP;
const store = process.env.SCRIP_STORE ?? 'sqlite';
assert(program, 'SCRIP names the program');

export const freePort = () =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

function database(folder) {
  if (store === 'sqlite') return { url: `sqlite:${join(folder, 'scrip.db')}`, drop: () => {} };
  const name = `clients_${process.pid}_${Math.random().toString(36).slice(2)}`;
  const psql = (statement) => execFileSync('psql', [store, '-qc', statement]);
  psql(`CREATE DATABASE ${name}`);
  const url = new URL(store);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => psql(`DROP DATABASE ${name} WITH (FORCE)`) };
}

export async function start({ origins = '', env: more = {} } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'scrip-clients-'));
  const { url: databaseUrl, drop } = database(folder);
  const port = await freePort();
  const env = {
    ...process.env,
    DATABASE_URL: databaseUrl,
    SCRIP_LISTEN: `127.0.0.1:${port}`,
    SCRIP_ALLOWED_ORIGINS: origins,
    SCRIP_LOG: 'warn',
    ...more,
  };
  const key = (scope) =>
    execFileSync(program, ['key', 'create', '--name', scope, '--scope', scope], {
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  const server = {
    base: `http://127.0.0.1:${port}`,
    url: `http://127.0.0.1:${port}/graphql`,
    ws: `ws://127.0.0.1:${port}/graphql`,
    key: key('admin'),
    key_for: key,
  };
  let child;
  server.up = async () => {
    child = spawn(program, ['serve'], { env, stdio: ['ignore', 'inherit', 'inherit'] });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.ended = ended;
    for (;;) {
      assert.equal(child.exitCode, null, 'the server ended');
      if (await fetch(`${server.base}/readyz`).then((answer) => answer.ok, () => false)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  server.down = async (signal = 'SIGTERM') => {
    child.kill(signal);
    return child.ended;
  };
  server.stop = async () => {
    await server.down();
    drop();
    rmSync(folder, { recursive: true });
  };
  server.ask = async (query, variables = {}, token = server.key) => {
    const answer = await fetch(server.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = await answer.json();
    assert.equal(errors, undefined, JSON.stringify(errors));
    return data;
  };
  await server.up();
  return server;
}

/** A product whose credits each event "call" burns one of, the customer "acme", and its balance; answers their ids. */
export async function shop(server) {
  const { createMeter } = await server.ask(
    'mutation { createMeter(input: { key: "calls", name: "Calls", eventType: "call", aggregation: COUNT }) { meter { id } } }',
  );
  const { createCreditProduct } = await server.ask(
    `mutation ($meterId: ID!) { createCreditProduct(input: { key: "credits", name: "Credits",
      consumption: [{ meterId: $meterId, creditsPerUnit: "1" }] }) { product { id } } }`,
    { meterId: createMeter.meter.id },
  );
  const { createCustomer } = await server.ask(
    'mutation { createCustomer(input: { externalId: "acme", name: "Acme" }) { customer { id } } }',
  );
  const { createCreditBalance } = await server.ask(
    `mutation ($productId: ID!) { createCreditBalance(input: { customer: { externalId: "acme" }, productId: $productId,
      startingBalance: "100" }) { balance { id } } }`,
    { productId: createCreditProduct.product.id },
  );
  return { customer: createCustomer.customer.id, balance: createCreditBalance.balance.id };
}

/** Burns one credit of acme's. */
export const burn = (server, id) =>
  server.ask(
    `mutation ($id: String!) { ingestEvents(input: { events: [{ id: $id, customer: { externalId: "acme" },
      type: "call" }] }) { accepted } }`,
    { id },
  );

/** What comes in, one after the other, however late it is asked for. */
export function inbox() {
  const waiting = [];
  const come = [];
  return {
    put: (value) => (waiting.length > 0 ? waiting.shift()(value) : come.push(value)),
    next: () => (come.length > 0 ? Promise.resolve(come.shift()) : new Promise((resolve) => waiting.push(resolve))),
  };
}

// A client of graphql-ws that shows the server's key.
export const socket = (server, more = {}) => {
  const connectionParams = () => ({ authorization: `Bearer ${server.key}` });
  return createClient({ url: server.ws, webSocketImpl: WebSocket, connectionParams, ...more });
};
