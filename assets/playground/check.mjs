// Holds every example against a schema: `node check.mjs path/to/schema.graphql`.

import { readFileSync } from 'node:fs';
import { buildSchema, getVariableValues, parse, validate } from 'graphql';

import { examples } from './src/examples.js';

const path = process.argv[2];
if (!path) {
  console.error('usage: node check.mjs path/to/schema.graphql');
  process.exit(2);
}
const schema = buildSchema(readFileSync(path, 'utf8'), { assumeValidSDL: true, assumeValid: true });

/** What is wrong with one example, as lines; none when nothing is. */
function problems({ query, variables }) {
  const document = parse(query);
  const found = validate(schema, document).map((error) => error.message);
  const operations = document.definitions.filter((definition) => definition.kind === 'OperationDefinition');
  if (operations.length !== 1 || !operations[0].name) return [...found, 'a tab is one operation with a name'];
  if (!query.startsWith('# ')) found.push('a tab begins with a comment');
  if (found.length === 0) {
    const coerced = getVariableValues(schema, operations[0].variableDefinitions ?? [], variables ?? {});
    found.push(...(coerced.errors ?? []).map((error) => error.message));
  }
  return found;
}

let failed = false;
for (const example of examples) {
  const name = /^(?:query|mutation|subscription) (\w+)/m.exec(example.query)?.[1] ?? 'an operation without a name';
  for (const problem of problems(example)) {
    failed = true;
    console.error(`${name}: ${problem}`);
  }
}
if (failed) process.exit(1);
console.log(`${examples.length} examples are valid.`);
