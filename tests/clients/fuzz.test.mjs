// Random operations and bodies, for a bounded time: the server never fails, whatever is asked.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';

import { shop, start } from './server.mjs';

const seconds = process.env.FUZZ_SECONDS ?? '60';

let server;
before(async () => {
  server = await start();
  await shop(server);
});
after(() => server.stop());

test(`schemathesis finds no fault in ${seconds} s`, async () => {
  const run = spawn(
    process.env.SCHEMATHESIS,
    [
      'run', server.url,
      '--header', `Authorization: Bearer ${server.key}`,
      '--checks', 'not_a_server_error',
      '--phases', 'fuzzing',
      '--max-time', seconds,
      '--seed', '1',
      '--no-color',
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: import.meta.dirname,
      env: { ...process.env, SCHEMATHESIS_HOOKS: 'hooks', PYTHONPATH: import.meta.dirname },
    },
  );
  let said = '';
  run.stdout.on('data', (text) => (said += text));
  run.stderr.on('data', (text) => (said += text));
  const code = await new Promise((resolve) => run.once('exit', resolve));
  assert.equal(code, 0, said.slice(-4000));
  const { viewer } = await server.ask('{ viewer { kind } }');
  assert.equal(viewer.kind, 'API_KEY', 'it lives');
});
