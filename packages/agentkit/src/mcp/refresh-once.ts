import type { FetchLike } from '@modelcontextprotocol/client';

/** So long the answer to a refresh serves those who come late. */
const keepMs = 60_000;

/**
 * Uses each refresh token once: many requests meet an expired token at the same time, and servers that give a new
 * refresh token at each use take a second use of the old one for theft.
 */
export function refreshOnce(next: FetchLike): FetchLike {
  const answers = new Map<string, Promise<Response>>();
  return async (url, init) => {
    const form = new URLSearchParams(init?.body instanceof URLSearchParams ? init.body : '');
    const token = form.get('refresh_token');
    if (form.get('grant_type') !== 'refresh_token' || token === null) return next(url, init);
    let answer = answers.get(token);
    if (answer === undefined) {
      answer = next(url, init);
      answers.set(token, answer);
      const forget = (): void => void answers.delete(token);
      answer.then(({ ok }) => (ok ? setTimeout(forget, keepMs).unref() : forget()), forget);
    }
    return (await answer).clone();
  };
}
