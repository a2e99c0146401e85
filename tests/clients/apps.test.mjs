// The clients of front-end teams: Apollo, urql, and plain fetch.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { OperationTypeNode } from 'graphql';
import { Client, cacheExchange, fetchExchange, subscriptionExchange } from 'urql';

import { burn, inbox, shop, socket, start } from './server.mjs';

let server;
let ids;
before(async () => {
  server = await start();
  ids = await shop(server);
});
after(() => server.stop());

const balances = 'query Balances { customer(by: { externalId: "acme" }) { id name creditBalances { id available state } } }';
const topUp = `mutation TopUp($id: ID!, $key: String!) { topUpCredits(input: { balanceId: $id, credits: "5", idempotencyKey: $key })
  { balance { id available } errors { code message path } } }`;
const watch = 'subscription Watch($id: ID!) { balanceChanges(balanceId: $id) { cursor balance { id available } entry { id credits } } }';
const authorization = () => `Bearer ${server.key}`;

test('Apollo reads, writes and watches, and its cache follows', async () => {
  const ws = socket(server);
  const link = ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink(ws),
    new HttpLink({ uri: server.url, headers: { authorization: authorization() } }),
  );
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  const first = await client.query({ query: gql(balances) });
  assert.equal(first.data.customer.creditBalances[0].available, '100');
  await client.mutate({ mutation: gql(topUp), variables: { id: ids.balance, key: 'apollo' } });
  const cached = () => client.readQuery({ query: gql(balances) }).customer.creditBalances[0].available;
  assert.equal(cached(), '105', 'the mutation moved the cached balance, by its id');
  const messages = inbox();
  const subscription = client
    .subscribe({ query: gql(watch), variables: { id: ids.balance } })
    .subscribe((message) => messages.put(message.data.balanceChanges));
  assert.equal((await messages.next()).entry, null, 'up to date');
  await burn(server, 'apollo-1');
  assert.equal((await messages.next()).entry.credits, '-1');
  assert.equal(cached(), '104', 'the stream moved it too');
  subscription.unsubscribe();
  client.stop();
  await ws.dispose();
});

test('urql reads, writes and watches', async () => {
  const ws = socket(server);
  const client = new Client({
    url: server.url,
    preferGetMethod: false,
    fetchOptions: () => ({ headers: { authorization: authorization() } }),
    exchanges: [
      cacheExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query, variables }) => ({
          subscribe: (sink) => ({ unsubscribe: ws.subscribe({ query: query ?? '', variables }, sink) }),
        }),
      }),
    ],
  });
  const first = await client.query(balances, {}).toPromise();
  assert.equal(first.error, undefined);
  assert.equal(first.data.customer.name, 'Acme');
  const moved = await client.mutation(topUp, { id: ids.balance, key: 'urql' }).toPromise();
  assert.deepEqual(moved.data.topUpCredits.errors, []);
  const messages = inbox();
  const { unsubscribe } = client
    .subscription(watch, { id: ids.balance })
    .subscribe(({ data }) => messages.put(data.balanceChanges.entry));
  assert.equal(await messages.next(), null, 'up to date');
  await burn(server, 'urql-1');
  assert.equal((await messages.next()).credits, '-1');
  unsubscribe();
  await ws.dispose();
});

test('a page of an allowed origin may call with a key, one of another may not', async () => {
  const other = await start({ origins: 'https://app.example.com' });
  const preflight = async (origin) => {
    const answer = await fetch(other.url, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type' },
    });
    return answer.headers.get('access-control-allow-origin');
  };
  assert.equal(await preflight('https://app.example.com'), 'https://app.example.com');
  assert.equal(await preflight('https://other.example.com'), null);
  await other.stop();
});

test('a refusal says what to do, and a rate limit when to ask again', async () => {
  const ask = (query, key) =>
    fetch(server.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/graphql-response+json',
        ...(key && { authorization: `Bearer ${key}` }),
      },
      body: JSON.stringify({ query }),
    });
  assert.equal((await ask('{ viewer { id } }')).status, 401);
  assert.equal((await ask('{ apiKeys { nodes { id } } }', server.key_for('read'))).status, 403);
  const { extensions } = await (await ask('{ viewer { id } }', server.key)).json();
  assert.deepEqual(Object.keys(extensions.cost).sort(), ['fullAfterMs', 'limit', 'remaining', 'requested']);
});
