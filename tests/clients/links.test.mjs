// What docs/clients gives to front-end teams: streams over a restart, tokens that are renewed, caches, persisted queries,
// generated types.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { Client, fetchExchange } from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';
import { buildSchema, getNamedType, isAbstractType, isInterfaceType, isObjectType } from 'graphql';
import WebSocket from 'ws';

import { burn, inbox, shop, start } from './server.mjs';

const here = import.meta.dirname;
const root = join(here, '../..');
const possibleTypes = JSON.parse(readFileSync(join(root, 'possible-types.json'), 'utf8'));
const schema = buildSchema(readFileSync(join(root, 'schema.graphql'), 'utf8'));

// The files as somebody has them who copied them beside the packages of his own.
const folder = mkdtempSync(join(tmpdir(), 'scrip-links-'));
symlinkSync(join(here, 'node_modules'), join(folder, 'node_modules'));
cpSync(join(root, 'docs/clients'), join(folder, 'clients'), { recursive: true });
const file = (name) => import(pathToFileURL(join(folder, 'clients', name)));
const { createStreams } = await file('streams.mjs');
const { renewing } = await file('token.mjs');
const { createLink, typePolicies } = await file('apollo.mjs');
const { createClient } = await file('urql.mjs');

let server;
let ids;
before(async () => {
  server = await start();
  ids = await shop(server);
});
after(async () => {
  rmSync(folder, { recursive: true });
  await server.stop();
});

const watch = `subscription Watch($id: ID!, $after: String) {
  balanceChanges(balanceId: $id, after: $after) { cursor entry { id sequence credits } balance { id available } } }`;

const streamsOf = (t, token, options = {}) => {
  const streams = createStreams({ url: server.url, token, webSocketImpl: WebSocket, ...options });
  t.after(() => streams.dispose());
  return streams;
};
const apollo = (t, token = () => server.key) => {
  const link = createLink({ url: server.url, token, streams: streamsOf(t, token) });
  const client = new ApolloClient({ link, cache: new InMemoryCache({ possibleTypes, typePolicies }) });
  t.after(() => client.stop());
  return client;
};
const urql = (t, token = () => server.key) => createClient({ url: server.url, token, streams: streamsOf(t, token) });

/** Both clients' streams of entries; `put` takes each entry, `failed` what ends them. */
const watching = {
  apollo: (t, token, put, failed) => {
    const subscription = apollo(t, token)
      .subscribe({ query: gql(watch), variables: { id: ids.balance } })
      .subscribe({ next: ({ data, error }) => (error ? failed(error) : put(data.balanceChanges.entry)), error: failed, complete: failed });
    return () => subscription.unsubscribe();
  },
  urql: (t, token, put, failed) =>
    urql(t, token)
      .subscription(watch, { id: ids.balance })
      .subscribe(({ data, error }) => (error ? failed(error) : put(data.balanceChanges.entry))).unsubscribe,
};

/** What a stream says: that it is up to date, the sequence of each entry, and what ended it. */
async function listen(t, begin, token) {
  const said = inbox();
  const leave = begin(t, token, (entry) => said.put(entry?.sequence ?? 'up to date'), (error) => said.put(error ?? 'it ended'));
  t.after(leave);
  const entry = async () => {
    for (let next; ; ) if ((next = await said.next()) !== 'up to date') return next;
  };
  return { next: said.next, entry };
}

for (const [name, begin] of Object.entries(watching)) {
  test(`${name}: a stream goes on over restarts of the server, without a gap and without a repeat`, async (t) => {
    const stream = await listen(t, begin, () => server.key);
    assert.equal(await stream.next(), 'up to date');
    await burn(server, `${name}-1`);
    const first = Number(await stream.entry());
    for (const signal of ['SIGTERM', 'SIGKILL']) {
      await server.down(signal);
      await server.up();
      await burn(server, `${name}-${signal}-1`);
      await burn(server, `${name}-${signal}-2`);
    }
    for (const more of [1, 2, 3, 4]) assert.equal(await stream.entry(), String(first + more));
  });

  test(`${name}: a stream whose token does not hold any more goes on with another`, async (t) => {
    const key = async () => {
      const made = 'mutation { createApiKey(input: { name: "page", scopes: [READ] }) { apiKey { id } secret } }';
      return (await server.ask(made)).createApiKey;
    };
    const [ends, other] = [await key(), await key()];
    let held = ends.secret;
    const stream = await listen(t, begin, (refused) => (refused === ends.secret ? (held = other.secret) : held));
    assert.equal(await stream.next(), 'up to date');
    await burn(server, `${name}-token-1`);
    const first = Number(await stream.entry());
    await server.ask('mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { errors { message } } }', { id: ends.apiKey.id });
    await burn(server, `${name}-token-2`);
    assert.equal(await stream.entry(), String(first + 1));
    await burn(server, `${name}-token-3`);
    assert.equal(await stream.entry(), String(first + 2));
    assert.equal(held, other.secret);
  });

  test(`${name}: a stream whose token is refused, with no other to be had, is told so`, async (t) => {
    const stream = await listen(t, begin, () => 'ps_0');
    assert.match(String((await stream.next()).message), /4403|Forbidden/i);
  });
}

/** What one stream of entries says. */
function said(streams, variables = {}) {
  const told = inbox();
  const leave = streams.subscribe(
    { query: watch, variables: { id: ids.balance, ...variables } },
    {
      next: ({ data, errors }) => told.put(errors?.[0].message ?? data.balanceChanges.entry?.sequence ?? 'up to date'),
      error: (error) => told.put(`failed: ${error.message ?? error[0].message}`),
      complete: () => told.put('complete'),
    },
  );
  return { next: told.next, leave };
}

test('a stream gets through when the first line was accepted and nobody answered on it', async (t) => {
  let lines = 0;
  const proxy = createServer((near) => {
    near.on('error', () => {});
    if (++lines === 1) return;
    const far = connect(new URL(server.url).port, '127.0.0.1');
    far.on('error', () => near.destroy());
    near.pipe(far).pipe(near);
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  t.after(() => proxy.close());
  const url = `http://127.0.0.1:${proxy.address().port}/graphql`;
  const stream = said(streamsOf(t, () => server.key, { url, patience: 200 }));
  assert.equal(await stream.next(), 'up to date');
  assert.equal(lines, 2);
  stream.leave();
});

test('a token that never comes is asked for again', async (t) => {
  let asked = 0;
  const token = () => (++asked === 1 ? new Promise(() => {}) : server.key);
  const stream = said(streamsOf(t, token, { patience: 200 }));
  assert.equal(await stream.next(), 'up to date');
  stream.leave();
});

test('more streams than one socket takes are told all the same', async (t) => {
  const streams = streamsOf(t, () => server.key);
  const many = Array.from({ length: 90 }, () => said(streams));
  for (const stream of many) assert.equal(await stream.next(), 'up to date');
  many.forEach(({ leave }) => leave());
});

test('a stream that is wrong by itself ends alone', async (t) => {
  const streams = streamsOf(t, () => server.key);
  const good = said(streams);
  assert.equal(await good.next(), 'up to date');
  assert.match(await said(streams, { after: 'x'.repeat(70_000) }).next(), /^failed: the request has 70\d\d\d bytes/);
  assert.match(await said(streams, { id: 'nonsense' }).next(), /is not the id of a credit balance/);
  await burn(server, 'alone');
  assert.match(await good.next(), /^\d+$/);
  good.leave();
  assert.equal(await good.next(), 'complete');
});

test('two streams whose token was refused both go on with the other one', async (t) => {
  let asked = 0;
  // The second to ask is answered when the first has long come back.
  const token = async (refused) => {
    if (!refused) return asked > 0 ? server.key : 'ps_0';
    if (++asked === 2) await new Promise((resolve) => setTimeout(resolve, 1_500));
    return server.key;
  };
  const streams = streamsOf(t, token);
  const both = [said(streams), said(streams)];
  for (const stream of both) assert.equal(await stream.next(), 'up to date');
  both.forEach(({ leave }) => leave());
});

test('a token is renewed before it ends, once for all who ask, and when it was refused', async () => {
  const lives = [10, 3600, 3600];
  let made = 0;
  const token = renewing(async () => {
    const expiresAt = new Date(Date.now() + lives[made] * 1000).toISOString();
    return { token: `ps_${++made}`, expiresAt };
  });
  assert.equal(await token(), 'ps_1');
  assert.deepEqual(await Promise.all([token(), token()]), ['ps_2', 'ps_2'], 'the first was about to end');
  assert.equal(await token(), 'ps_2');
  assert.deepEqual(await Promise.all([token('ps_2'), token('ps_2'), token('ps_1')]), ['ps_3', 'ps_3', 'ps_3']);
});

test('a token that could not be had is asked for again', async () => {
  let tries = 0;
  const token = renewing(async () => {
    if (++tries === 1) throw new Error('offline');
    return { token: 'ps_1', expiresAt: new Date(Date.now() + 3_600_000).toISOString() };
  });
  await assert.rejects(token(), /offline/);
  assert.equal(await token(), 'ps_1');
});

test('Apollo and urql ask again with another token when theirs does not hold any more', async (t) => {
  const token = () => {
    let held = 'ps_0';
    return (refused) => (refused === held ? (held = server.key) : held);
  };
  const { data } = await apollo(t, token()).query({ query: gql('{ viewer { id kind } }') });
  assert.equal(data.viewer.kind, 'API_KEY');
  const answer = await urql(t, token()).query('{ viewer { id kind } }', {}).toPromise();
  assert.equal(answer.data?.viewer.kind, 'API_KEY', String(answer.error));
});

test('persisted queries: the links of Apollo and urql fall back to the document, by POST and by GET', async () => {
  const sent = [];
  const counting = (url, options) => {
    sent.push(options.method);
    return fetch(url, options);
  };
  const sha256 = async (text) =>
    Buffer.from(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))).toString('hex');
  const headers = { authorization: `Bearer ${server.key}` };
  for (const useGETForHashedQueries of [false, true]) {
    const link = ApolloLink.from([
      new PersistedQueryLink({ sha256, useGETForHashedQueries }),
      new HttpLink({ uri: server.url, headers, fetch: counting }),
    ]);
    const client = new ApolloClient({ link, cache: new InMemoryCache() });
    for (const query of [gql('query First { viewer { id kind } }'), gql('query Second { viewer { id scopes } }')]) {
      const { data } = await client.query({ query });
      assert.ok(data.viewer.id);
    }
    client.stop();
    assert.deepEqual(sent.splice(0), [useGETForHashedQueries ? 'GET' : 'POST', 'POST', 'POST'], 'asked once, and then no more');
  }
  for (const preferGetForPersistedQueries of [false, true]) {
    const client = new Client({
      url: server.url,
      preferGetMethod: false,
      fetchOptions: { headers },
      fetch: counting,
      exchanges: [persistedExchange({ preferGetForPersistedQueries, enableForMutation: true }), fetchExchange],
    });
    for (const query of ['query First { viewer { id kind } }', 'query Second { viewer { id scopes } }']) {
      const { data, error } = await client.query(query, {}).toPromise();
      assert.ok(data?.viewer.id, String(error));
    }
    const method = preferGetForPersistedQueries ? 'GET' : 'POST';
    assert.deepEqual(sent.splice(0), [method, method, 'POST'], 'asked once, and then no more');
  }
});

test("the cache's policies name every list and every embedded type of the schema", () => {
  const seen = new Set();
  const visit = (wrapped) => {
    const type = getNamedType(wrapped);
    if (seen.has(type)) return;
    seen.add(type);
    if (isAbstractType(type)) schema.getPossibleTypes(type).forEach(visit);
    else if (isObjectType(type)) for (const field of Object.values(type.getFields())) visit(field.type);
  };
  visit(schema.getQueryType());
  const objects = [...seen].filter(isObjectType);
  const isError = (type) => type.getInterfaces().some(({ name }) => name === 'UserError');
  const isEmbedded = (type) => !type.getFields().id && !isError(type) && !/Connection$|Edge$|^PageInfo$|^Query$/.test(type.name);
  const names = (filter) => Object.keys(typePolicies).filter((name) => filter(typePolicies[name])).sort();
  assert.deepEqual(names(({ merge }) => merge), objects.filter(isEmbedded).map(({ name }) => name).sort());
  const listsOf = (type) => Object.values(type.getFields()).filter((field) => /Connection$/.test(getNamedType(field.type).name));
  const wanted = objects.flatMap((type) => listsOf(type).map(({ name }) => `${type.name}.${name}`)).sort();
  const named = names(({ fields }) => fields).flatMap((type) => Object.keys(typePolicies[type].fields).map((name) => `${type}.${name}`));
  assert.deepEqual(named.sort(), wanted);
  for (const type of Object.values(schema.getTypeMap()).filter((type) => isInterfaceType(type) && !type.name.startsWith('__'))) {
    assert.deepEqual(possibleTypes[type.name], schema.getPossibleTypes(type).map(({ name }) => name).sort());
  }
});

test("Apollo's cache joins pages of nodes, and completes embedded objects", async (t) => {
  const client = apollo(t);
  const warnings = t.mock.method(console, 'warn', () => {});
  for (const id of ['page-1', 'page-2', 'page-3']) {
    await server.ask('mutation ($id: String!) { createCustomer(input: { externalId: $id, name: $id }) { customer { id } } }', { id });
  }
  const query = gql(`query Page($first: Int!, $after: String) { customers(first: $first, after: $after) {
    nodes { id externalId } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } } }`);
  const seen = inbox();
  const page = client.watchQuery({ query, variables: { first: 2 } });
  const subscription = page.subscribe(({ data, loading }) => loading || (data && seen.put(data.customers)));
  const first = await seen.next();
  assert.deepEqual([first.nodes.length, first.pageInfo.hasNextPage], [2, true]);
  await page.fetchMore({ variables: { after: first.pageInfo.endCursor } });
  const both = await seen.next();
  assert.deepEqual(both.nodes.map(({ externalId }) => externalId), ['page-3', 'page-2', 'page-1', 'acme']);
  assert.deepEqual([both.pageInfo.startCursor, both.pageInfo.hasNextPage], [first.pageInfo.startCursor, false]);
  subscription.unsubscribe();

  const about = (fields) => gql(`query { creditBalance(id: "${ids.balance}") { id overdraft { ${fields} } } }`);
  const [one, other] = Object.keys(schema.getType('Overdraft').getFields());
  await client.query({ query: about(one) });
  await client.query({ query: about(other) });
  assert.ok(client.readQuery({ query: about(`${one} ${other}`) }), 'both are there');
  assert.deepEqual(warnings.mock.calls.map(({ arguments: [text] }) => text), []);
});

test('codegen.ts of the guide writes types that TypeScript takes, with exact numbers as texts', () => {
  cpSync(join(root, 'schema.graphql'), join(folder, 'schema.graphql'));
  cpSync(join(root, 'docs/clients/codegen.ts'), join(folder, 'codegen.ts'));
  mkdirSync(join(folder, 'src'));
  writeFileSync(
    join(folder, 'src/page.graphql'),
    `query Page($first: Int!) { customers(first: $first) { nodes { id name creditBalances { id available state } } } }
     mutation TopUp($input: TopUpCreditsInput!) { topUpCredits(input: $input) { balance { id } errors { code message path
       ... on InsufficientCredits { shortfall } } } }
     subscription Watch($id: ID!) { balanceChanges(balanceId: $id) { cursor entry { id kind } } }`,
  );
  const bin = (name, ...args) => execFileSync(join(here, 'node_modules/.bin', name), args, { cwd: folder, stdio: 'pipe' });
  bin('graphql-codegen', '--config', 'codegen.ts');
  writeFileSync(
    join(folder, 'src/use.ts'),
    `import type { PageQuery } from './types';
     export const available = (page: PageQuery): string | undefined => page.customers?.nodes[0]?.creditBalances?.[0]?.available ?? undefined;`,
  );
  bin('tsc', '--noEmit', '--strict', '--skipLibCheck', 'src/types.ts', 'src/use.ts');
});
