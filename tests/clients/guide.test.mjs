// The samples of docs/clients.md, run as they are written, on a server and with a key of the test's own.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { burn, shop, start } from './server.mjs';

const here = import.meta.dirname;
const guide = readFileSync(join(here, '../../docs/clients.md'), 'utf8');
const samples = [...guide.matchAll(/^```js (\S+)\n(.*?)^```$/gms)].map(([, name, code]) => ({ name, code }));
const said = {
  'fetch.mjs': /^97\.5 credits are left$/m,
  'token.mjs': /^Acme$/m,
  'apollo.mjs': /^\d/m,
  'urql.mjs': /Acme/,
  'relay.mjs': /^API_KEY$/m,
  'streams.mjs': /^STARTING_BALANCE 100$|^USAGE -1$/m,
  'events.mjs': /null$/m,
};

let server;
let folder;
before(async () => {
  server = await start();
  await shop(server);
  folder = mkdtempSync(join(tmpdir(), 'scrip-guide-'));
  symlinkSync(join(here, 'node_modules'), join(folder, 'node_modules'));
  cpSync(join(here, '../../docs/clients'), join(folder, 'clients'), { recursive: true });
  cpSync(join(here, '../../possible-types.json'), join(folder, 'possible-types.json'));
});
after(async () => {
  rmSync(folder, { recursive: true });
  await server.stop();
});

test('the guide has these samples', () => assert.deepEqual(samples.map(({ name }) => name), Object.keys(said)));

for (const { name, code } of samples) {
  test(`${name} runs as written`, async () => {
    const mine = code.replace('http://127.0.0.1:4000/graphql', server.url).replace('sk_…', server.key);
    // Node has no WebSocket of its own before version 22.
    const socket = "import WebSocket from 'ws';\nglobalThis.WebSocket ??= WebSocket;\n";
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    writeFileSync(join(folder, name), socket + mine);
    const running = promisify(execFile)('node', [name], { cwd: folder, timeout: 30_000 });
    // The one that waits for a live entry gets one, as soon as it listens or before: it misses none.
    const burning = setInterval(() => burn(server, `guide-${Math.random()}`), 200);
    if (name !== 'streams.mjs') clearInterval(burning);
    const { stdout } = await running.finally(() => clearInterval(burning));
    assert.match(stdout, said[name]);
  });
}
