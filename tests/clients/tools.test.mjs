// Tools that read the schema: Relay's compiler, the schema's linter.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import graphqlPlugin from '@graphql-eslint/eslint-plugin';
import { ESLint } from 'eslint';

const here = import.meta.dirname;
const schema = join(here, '../../schema.graphql');
const bin = (name) => join(here, 'node_modules/.bin', name);

/** A folder that holds what the test needs, beside the installed packages. */
function folder(t) {
  const path = mkdtempSync(join(tmpdir(), 'scrip-tools-'));
  symlinkSync(join(here, 'node_modules'), join(path, 'node_modules'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

test('relay-compiler takes the schema and its connections', (t) => {
  const path = folder(t);
  cpSync(join(here, 'relay'), join(path, 'src'), { recursive: true });
  cpSync(schema, join(path, 'schema.graphql'));
  const config = { src: './src', schema: './schema.graphql', language: 'javascript', noFutureProofEnums: true };
  writeFileSync(join(path, 'relay.config.json'), JSON.stringify(config));
  writeFileSync(join(path, 'package.json'), '{"name":"shop","dependencies":{"relay-runtime":"*"}}');
  execFileSync(bin('relay-compiler'), ['relay.config.json'], { cwd: path, stdio: 'pipe' });
  assert(existsSync(join(path, 'src/__generated__/ShopQuery.graphql.js')));
});

test("the schema passes graphql-eslint's recommended and Relay rules", async () => {
  const { configs } = graphqlPlugin;
  const rules = {
    ...configs['flat/schema-recommended'].rules,
    ...configs['flat/schema-relay'].rules,
    '@graphql-eslint/strict-id-in-types': 'off',
    '@graphql-eslint/relay-edge-types': ['error', { listTypeCanWrapOnlyEdgeType: false }],
  };
  const linter = new ESLint({
    cwd: join(here, '../..'),
    overrideConfigFile: true,
    overrideConfig: {
      files: ['schema.graphql'],
      plugins: { '@graphql-eslint': graphqlPlugin },
      languageOptions: { parser: graphqlPlugin.parser, parserOptions: { graphQLConfig: { schema } } },
      rules,
    },
  });
  const [{ messages }] = await linter.lintFiles([schema]);
  assert.deepEqual(messages.map(({ line, ruleId, message }) => `${line}: ${ruleId}: ${message}`), []);
});
