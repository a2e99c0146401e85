// Scrip's streams over WebSocket, for as long as the page lives: whatever happens to the line, the server or the token,
// each goes on behind the last cursor, without a gap and without a repeat. For Apollo, urql, Relay and plain code.
//
// It needs graphql-ws 6.

import { createClient } from 'graphql-ws';

// How long to wait before asking again, in milliseconds: at first, and at most.
const [SHORTEST, LONGEST] = [500, 10_000];

// Errors of the request itself. A retry may succeed after any other error.
const WRONG = ['BAD_USER_INPUT', 'FORBIDDEN', 'PERSISTED_QUERY_NOT_SUPPORTED', 'QUERY_TOO_COMPLEX', 'UNAUTHENTICATED'];
const passes = ({ extensions }) => extensions?.code && !WRONG.includes(extensions.code);

// How many streams share a socket; a server takes 50 on one.
const SHARE = 40;
// The longest message that a server takes, in bytes, with room for what graphql-ws adds.
const MESSAGE = 65_000;

/** Settles as `promise` does, or fails when that takes too long. */
const within = (milliseconds, promise) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds} ms`)), milliseconds);
    Promise.resolve(promise).then(resolve, reject).finally(() => clearTimeout(timer));
  });

/**
 * A client of streams. `subscribe` is that of graphql-ws, and so the client can stand wherever one of graphql-ws can.
 *
 * A subscription that declares `$after: String`, gives it to its field and asks for `cursor` misses nothing; another one
 * begins anew. `sink.error` is told only what asking again does not mend: a document that is wrong, and a token that was
 * refused and that `token` has no other for.
 *
 * @param {object} options
 * @param {string} options.url the address of the API: `https://…/graphql`
 * @param {(refused?: string) => string | Promise<string>} options.token a key, or a customer's token; `refused` is one
 *   that does not hold any more (token.mjs)
 * @param {number} [options.patience] how long to wait for a word of the other side, in milliseconds
 * @param {typeof WebSocket} [options.webSocketImpl] where there is no global one
 */
export function createStreams({ url, token, patience = 10_000, webSocketImpl = WebSocket }) {
  const sockets = [];

  // Node's `ws` throws where nobody listens to the error of a line that is given up.
  class Line extends webSocketImpl {
    constructor(...options) {
      super(...options);
      this.addEventListener('error', () => {});
    }
  }

  /** A socket with room for one more stream. */
  function socket() {
    const roomy = sockets.find(({ streams }) => streams < SHARE);
    if (roomy) return roomy;
    const made = { streams: 0, shown: null, client: null };
    let [opening, silence] = [];
    made.client = createClient({
      url: url.replace(/^http/, 'ws'),
      webSocketImpl: Line,
      connectionParams: async () => ({ authorization: `Bearer ${(made.shown = await within(patience, token()))}` }),
      retryAttempts: 0,
      // A line on which nobody answers is given up: before it is open, before it is greeted, and later.
      connectionAckWaitTimeout: patience,
      keepAlive: patience,
      on: {
        connecting: () => void (opening = setTimeout(() => made.client.terminate(), 2 * patience)),
        connected: () => clearTimeout(opening),
        ping: (received) => void (received || (silence = setTimeout(() => made.client.terminate(), patience / 2))),
        pong: (received) => void (received && clearTimeout(silence)),
        closed: () => [opening, silence].forEach(clearTimeout),
        error: () => [opening, silence].forEach(clearTimeout),
      },
    });
    sockets.push(made);
    return made;
  }

  /** Whether asking again mends nothing. */
  async function isFinal(reason, shown) {
    if (Array.isArray(reason)) return !reason.every(passes);
    if (reason?.code === 4403) return (await within(patience, token(shown)).catch(() => null)) === shown;
    return false;
  }

  function subscribe(payload, sink) {
    let { after } = payload.variables ?? {};
    let wait = SHORTEST;
    let [over, interrupted, timer, leave] = [false];
    const end = (how, ...told) => {
      if (over) return;
      over = true;
      sink[how](...told);
    };

    const again = (least = 0) => {
      if (over) return;
      timer = setTimeout(begin, least + wait * (0.5 + Math.random() / 2));
      wait = Math.min(2 * wait, LONGEST);
    };
    const begin = () => {
      interrupted = false;
      const asked = { ...payload, variables: { ...payload.variables, ...(after && { after }) } };
      // One that is too long would end the socket, and with it all that share it.
      const size = new TextEncoder().encode(JSON.stringify(asked)).length;
      if (size > MESSAGE) return end('error', new Error(`the request has ${size} bytes; a socket takes ${MESSAGE}`));
      const used = socket();
      used.streams += 1;
      let settled = false;
      const settle = () => {
        if (!settled) used.streams -= 1;
        settled = true;
      };
      leave = used.client.subscribe(asked, {
        next: (message) => {
          if (over) return;
          if (!message.data && message.errors?.every(passes)) return void (interrupted = true);
          wait = SHORTEST;
          after = Object.values(message.data ?? {})[0]?.cursor ?? after;
          sink.next(message);
        },
        error: async (reason) => {
          settle();
          leave();
          if (await isFinal(reason, used.shown)) {
            return end('error', Array.isArray(reason) ? reason : new Error(`${reason.code}: ${reason.reason}`));
          }
          again(Array.isArray(reason) ? Math.max(0, ...reason.map(({ extensions }) => extensions.retryAfterMs ?? 0)) : 0);
        },
        complete: () => {
          settle();
          if (interrupted) again();
          else end('complete');
        },
      });
    };
    begin();
    return () => {
      clearTimeout(timer);
      end('complete');
      leave?.();
    };
  }

  return { subscribe, dispose: () => sockets.forEach(({ client }) => client.dispose()) };
}
