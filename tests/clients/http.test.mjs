// GraphQL over HTTP: every audit of the draft, none with a warning.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { serverAudits } from 'graphql-http';

import { start } from './server.mjs';

let server;
before(async () => (server = await start()));
after(() => server.stop());

test('all 61 audits pass, none with a warning', async () => {
  const fetchFn = (url, options = {}) =>
    fetch(url, { ...options, headers: { ...options.headers, authorization: `Bearer ${server.key}` } });
  const audits = serverAudits({ url: server.url, fetchFn });
  const told = await Promise.all(audits.map((audit) => audit.fn().then((result) => ({ ...result, name: audit.name }))));
  const worse = told.filter(({ status }) => status !== 'ok').map(({ name, status, reason }) => `${status}: ${name}: ${reason}`);
  assert.deepEqual(worse, []);
  assert.equal(told.length, 61);
});
