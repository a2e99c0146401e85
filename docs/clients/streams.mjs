// Scrip's streams over WebSocket, for as long as the page lives: whatever happens to the line, the server or the token,
// each goes on behind the last cursor, without a gap and without a repeat. For Apollo, urql, Relay and plain code.
//
// It needs graphql-ws 6.

import { createClient } from 'graphql-ws';

// How a socket closes when the client breaks the protocol, or a bound of it: asking again mends nothing.
const BROKEN = [1009, 4400, 4401, 4406, 4409, 4429];

// How long to wait before asking again, in milliseconds: at first, and at most.
const [SHORTEST, LONGEST] = [500, 10_000];

const passes = ({ extensions }) => extensions?.retryable || extensions?.code === 'RATE_LIMITED';

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
 *   that does not hold any more ({@link renewing})
 */
export function createStreams({ url, token, ...options }) {
  let shown;
  let silence;
  const client = createClient({
    url: url.replace(/^http/, 'ws'),
    connectionParams: async () => ({ authorization: `Bearer ${(shown = await token())}` }),
    retryAttempts: 0,
    // A line that was cut without a word is found by its silence.
    keepAlive: 10_000,
    on: {
      ping: (received) => void (received || (silence = setTimeout(() => client.terminate(), 5_000))),
      pong: (received) => void (received && clearTimeout(silence)),
      closed: () => clearTimeout(silence),
    },
    ...options,
  });

  async function isFinal(reason) {
    if (Array.isArray(reason)) return !reason.every(passes);
    if (reason?.code === 4403) return (await Promise.resolve(token(shown)).catch(() => null)) === shown;
    return BROKEN.includes(reason?.code);
  }

  function subscribe(payload, sink) {
    let { after } = payload.variables ?? {};
    let wait = SHORTEST;
    let [left, interrupted, timer, leave] = [false];

    const again = () => {
      if (left) return;
      timer = setTimeout(begin, wait * (0.5 + Math.random() / 2));
      wait = Math.min(2 * wait, LONGEST);
    };
    const begin = () => {
      interrupted = false;
      leave = client.subscribe({ ...payload, variables: { ...payload.variables, ...(after && { after }) } }, {
        next: (message) => {
          if (message.errors?.every(passes)) return void (interrupted = true);
          wait = SHORTEST;
          after = Object.values(message.data ?? {})[0]?.cursor ?? after;
          sink.next(message);
        },
        error: async (reason) => {
          if (await isFinal(reason)) return sink.error('reason' in reason ? new Error(`${reason.code}: ${reason.reason}`) : reason);
          const asked = Array.isArray(reason) ? reason.map(({ extensions }) => extensions.retryAfterMs ?? 0) : [];
          wait = Math.max(wait, ...asked);
          again();
        },
        complete: () => (interrupted && !left ? again() : sink.complete()),
      });
    };
    begin();
    return () => {
      left = true;
      clearTimeout(timer);
      leave();
    };
  }

  return { subscribe, dispose: () => client.dispose() };
}

/**
 * A customer's token that is renewed before it ends, and when it was refused.
 *
 * @param {() => Promise<{ token: string, expiresAt: string }>} ask gets a new one from your own server, which asks
 *   `createPortalSession`
 * @returns {(refused?: string) => Promise<string>}
 */
export function renewing(ask) {
  let held;
  return async (refused) => {
    const before = held;
    const session = await before?.catch(() => null);
    const holds = session && session.token !== refused && Date.parse(session.expiresAt) > Date.now() + 30_000;
    // All who find it ended at once wait for the same new one.
    if (!holds && held === before) held = ask();
    return (await held).token;
  };
}
