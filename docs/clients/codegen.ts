// Types for your own queries: `npm install --save-dev @graphql-codegen/cli @graphql-codegen/typescript-operations`, then
// `npx graphql-codegen --config codegen.ts`.

import type { CodegenConfig } from '@graphql-codegen/cli';

const config: CodegenConfig = {
  schema: 'schema.graphql',
  documents: 'src/**/*.{graphql,ts,tsx}',
  generates: {
    'src/types.ts': {
      plugins: ['typescript-operations'],
      config: {
        strictScalars: true,
        // Exact numbers are texts: never read them as numbers of JavaScript, whose digits end at 2^53.
        scalars: {
          BigInt: { input: 'string | number', output: 'string' },
          Currency: 'string',
          DateTime: 'string',
          Decimal: { input: 'string', output: 'string' },
          JSON: 'unknown',
        },
      },
    },
  },
};

export default config;
