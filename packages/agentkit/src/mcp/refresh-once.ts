import type { FetchLike } from '@modelcontextprotocol/client';
import { describeThrown } from '../errors.ts';

/** So long the answer to a refresh serves those who come late. */
const keepMs = 60_000;

/**
 * Uses each refresh token once: many requests meet an expired token at the same time, and servers that give a new
 * refresh token at each use take a second use of the old one for theft. `onEnded` hears how each use ended: undefined, or
 * what went wrong where the token itself was not refused and may serve another time.
 */
export function refreshOnce(next: FetchLike, onEnded: (failure: string | undefined) => void): FetchLike {
  const answers = new Map<string, Promise<Response>>();
  return async (url, init) => {
    const form = new URLSearchParams(init?.body instanceof URLSearchParams ? init.body : '');
    const token = form.get('refresh_token');
    if (form.get('grant_type') !== 'refresh_token' || token === null) return next(url, init);
    let answer = answers.get(token);
    if (answer === undefined) {
      answer = next(url, init);
      const forget = (): void => void answers.delete(token);
      const keepIfUsed = (failure: string | undefined, isOk: boolean): void => {
        onEnded(failure);
        if (failure === undefined && isOk) setTimeout(forget, keepMs).unref();
        else forget();
      };
      // looked at before anybody who waits for the answer goes on
      answer = answer.then(
        async (response) => {
          keepIfUsed(await passingFailure(response), response.ok);
          return response;
        },
        (thrown: unknown) => {
          keepIfUsed(describeThrown(thrown), false);
          throw thrown;
        },
      );
      answers.set(token, answer);
    }
    return (await answer).clone();
  };
}

/** What says nothing of the token: an authorization server that is down, or a page in place of its answer. */
async function passingFailure(response: Response): Promise<string | undefined> {
  const { status, ok } = response;
  if (status >= 500 || status === 429) return `HTTP ${status}`;
  if (!ok) return undefined;
  try {
    const { access_token: token } = (await response.clone().json()) as { access_token?: unknown };
    return fitsHeader(token) ? undefined : 'what it gave is no token';
  } catch {
    return 'what it answered is no JSON';
  }
}

/** Whether a token can stand behind `Bearer`. */
export const fitsHeader = (token: unknown): boolean => typeof token === 'string' && /^[!-~]+$/.test(token);
