// Streams by the clients that people use: over WebSocket and by server-sent events, resumed across a restart.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createClient as createSse } from 'graphql-sse';

import { burn, inbox, shop, socket, start } from './server.mjs';

const watch = `subscription ($id: ID!, $after: String) {
  balanceChanges(balanceId: $id, after: $after) { cursor entry { sequence credits availableAfter } } }`;

let server;
let ids;
before(async () => {
  server = await start();
  ids = await shop(server);
});
after(() => server.stop());

test('graphql-ws queries, mutates and watches on one socket', async () => {
  const client = socket(server);
  const once = async (query) => (await client.iterate({ query }).next()).value;
  assert.deepEqual((await once('{ viewer { kind scopes } }')).data, { viewer: { kind: 'API_KEY', scopes: ['ADMIN'] } });
  const stream = client.iterate({ query: watch, variables: { id: ids.balance } });
  assert.equal((await stream.next()).value.data.balanceChanges.entry, null, 'up to date');
  await burn(server, 'ws-1');
  assert.equal((await stream.next()).value.data.balanceChanges.entry.credits, '-1');
  await stream.return();
  await client.dispose();
});

test('graphql-ws is refused without a key', async () => {
  const client = socket(server, { connectionParams: {}, retryAttempts: 0 });
  await assert.rejects(client.iterate({ query: '{ viewer { id } }' }).next(), (closed) => closed.code === 4403);
});

test('a stream goes on behind its cursor when the server was restarted', async () => {
  const messages = inbox();
  const closed = inbox();
  const client = socket(server, { retryAttempts: 0 });
  client.on('closed', (event) => closed.put(event.code));
  let cursor = null;
  let last = null;
  // graphql-ws would subscribe again with the same variables, and so from where it once began: it is told to retry
  // nothing, and what ended goes on behind the last cursor.
  const watching = (async () => {
    for (;;) {
      try {
        for await (const { data } of client.iterate({ query: watch, variables: { id: ids.balance, after: cursor } })) {
          ({ cursor } = data.balanceChanges);
          messages.put(data.balanceChanges.entry);
          if (data.balanceChanges.entry?.sequence === last) return;
        }
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  })();
  assert.equal(await messages.next(), null, 'up to date');
  await burn(server, 'restart-1');
  const { sequence } = await messages.next();
  last = String(Number(sequence) + 2);
  await server.down();
  assert.equal(await closed.next(), 1012, 'a code that makes clients come back');
  await server.up();
  await burn(server, 'restart-2');
  await burn(server, 'restart-3');
  await watching;
  const seen = [];
  for (let entry; seen.at(-1) !== last; ) if ((entry = await messages.next())) seen.push(entry.sequence);
  assert.deepEqual(seen, [String(Number(sequence) + 1), last], 'each once, in order');
  await client.dispose();
});

test('graphql-sse queries and watches', async () => {
  const client = createSse({ url: server.url, headers: { authorization: `Bearer ${server.key}` } });
  const answer = await client.iterate({ query: '{ viewer { kind } }' }).next();
  assert.deepEqual(answer.value.data, { viewer: { kind: 'API_KEY' } });
  const stream = client.iterate({ query: watch, variables: { id: ids.balance } });
  assert.equal((await stream.next()).value.data.balanceChanges.entry, null);
  await burn(server, 'sse-1');
  assert.equal((await stream.next()).value.data.balanceChanges.entry.credits, '-1');
  await stream.return();
  client.dispose();
});

test('a reader of events goes on behind the id of the last one', async () => {
  const read = async (lastEventId) => {
    const control = new AbortController();
    const answer = await fetch(server.url, {
      method: 'POST',
      signal: control.signal,
      headers: {
        accept: 'text/event-stream',
        'content-type': 'application/json',
        authorization: `Bearer ${server.key}`,
        ...(lastEventId && { 'last-event-id': lastEventId }),
      },
      body: JSON.stringify({ query: watch, variables: { id: ids.balance } }),
    });
    let text = '';
    for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.includes('\n\n') && text.includes('data:')) break;
    }
    control.abort();
    const field = (name) => new RegExp(`^${name}: (.*)$`, 'm').exec(text)[1];
    return { id: field('id'), change: JSON.parse(field('data')).data.balanceChanges };
  };
  const first = await read();
  assert.equal(first.change.entry, null);
  await burn(server, 'events-1');
  const next = await read(first.id);
  assert.equal(next.change.entry.credits, '-1');
});
