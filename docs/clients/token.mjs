// Keys and customers' tokens: `token()` is the one of the moment, `token(refused)` another one, or the same where there is no
// other. For a key, which does not change, it is `() => key`. It needs no package.

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

/**
 * `fetch` with the token of the moment. What is refused with 401 is asked once more, with another token.
 *
 * @param {(refused?: string) => string | Promise<string>} token
 * @returns {typeof fetch}
 */
export function fetchWith(token) {
  return async (input, init = {}) => {
    const ask = (shown) => {
      const headers = new Headers(init.headers);
      headers.set('authorization', `Bearer ${shown}`);
      return fetch(input, { ...init, headers });
    };
    const shown = await token();
    const answer = await ask(shown);
    if (answer.status !== 401) return answer;
    const other = await token(shown);
    return other === shown ? answer : ask(other);
  };
}
