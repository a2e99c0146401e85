// urql for Scrip: its exchanges. They need @urql/core 6, @urql/exchange-auth 3 and graphql-ws 6.

import { cacheExchange, fetchExchange, subscriptionExchange } from '@urql/core';
import { authExchange } from '@urql/exchange-auth';

/** Subscriptions by `streams` (`createStreams` of streams.mjs), which go on where they were. */
export const streamsExchange = (streams) =>
  subscriptionExchange({
    forwardSubscription: ({ query, variables }) => ({
      subscribe: (sink) => ({ unsubscribe: streams.subscribe({ query: query ?? '', variables }, sink) }),
    }),
  });

/** Queries and mutations with the `token` of the moment; who is told that it does not hold any more asks again with another. */
export const tokenExchange = (token) =>
  authExchange(async ({ appendHeaders }) => {
    let shown = await token();
    return {
      addAuthToOperation: (operation) => appendHeaders(operation, { authorization: `Bearer ${shown}` }),
      didAuthError: ({ graphQLErrors }) => graphQLErrors[0]?.extensions?.code === 'UNAUTHENTICATED',
      refreshAuth: async () => void (shown = await token(shown)),
    };
  });

/** All that a client needs: `new Client({ url, preferGetMethod: false, exchanges: createExchanges({ token, streams }) })`. */
export const createExchanges = ({ token, streams }) => [cacheExchange, tokenExchange(token), fetchExchange, streamsExchange(streams)];
