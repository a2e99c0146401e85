// urql for Scrip. It needs @urql/core 6 and graphql-ws 6.

import { Client, cacheExchange, fetchExchange, subscriptionExchange } from '@urql/core';

import { fetchWith } from './token.mjs';

/** Subscriptions by `streams` (`createStreams` of streams.mjs), which go on where they were. */
export const streamsExchange = (streams) =>
  subscriptionExchange({
    forwardSubscription: ({ query, variables }) => ({
      subscribe: (sink) => ({ unsubscribe: streams.subscribe({ query: query ?? '', variables }, sink) }),
    }),
  });

/** Queries and mutations by HTTP with the `token` of the moment, subscriptions by `streams`. */
export const createClient = ({ url, token, streams }) =>
  new Client({
    url,
    preferGetMethod: false,
    fetch: fetchWith(token),
    exchanges: [cacheExchange, fetchExchange, streamsExchange(streams)],
  });
