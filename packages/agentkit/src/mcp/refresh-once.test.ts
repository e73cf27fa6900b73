import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { refreshOnce } from './refresh-once.ts';

/** An authorization server that gives these answers one after the other, and what was heard of them. */
function asking(...answers: readonly (Response | Error)[]) {
  const heard: (string | undefined)[] = [];
  let asked = 0;
  const fetchOnce = refreshOnce(
    async () => {
      const answer = answers[asked++];
      if (answer instanceof Response) return answer;
      throw answer;
    },
    (failure) => heard.push(failure),
  );
  const refresh = async (): Promise<string> => {
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: 'r1' });
    const response = await fetchOnce('https://login.example/token', { method: 'POST', body });
    return `${response.status} ${await response.text()}`;
  };
  return { refresh, heard, asked: () => asked };
}

const token = '{"access_token":"t1"}';

describe('the use of a refresh token', () => {
  it('happens once, however many wait for it and come later', async () => {
    const { refresh, heard, asked } = asking(new Response(token));
    const both = await Promise.all([refresh(), refresh()]);
    assert.deepEqual([...both, await refresh()], Array(3).fill(`200 ${token}`));
    assert.deepEqual([asked(), heard], [1, [undefined]]);
  });

  it('that came to nothing is told and tried anew, unless the token was refused', async () => {
    const passing: [Response | Error, RegExp][] = [
      [new Response('x', { status: 500 }), /^HTTP 500$/],
      [new Response('x', { status: 429 }), /^HTTP 429$/],
      [new Response('<html>'), /no JSON/],
      [new Response('{"access_token":5}'), /no token/],
      [new Response('{"access_token":"a\\nb"}'), /no token/],
      [new Error('the line is dead'), /^the line is dead$/],
    ];
    for (const [answer, failure] of passing) {
      const { refresh, heard, asked } = asking(answer, new Response(token));
      await refresh().catch((thrown) => assert.equal(thrown, answer));
      assert.equal(await refresh(), `200 ${token}`);
      assert.match(String(heard[0]), failure);
      assert.deepEqual([heard[1], asked()], [undefined, 2]);
    }
    const { refresh, heard } = asking(new Response('{"error":"invalid_grant"}', { status: 400 }));
    assert.match(await refresh(), /^400 .*invalid_grant/);
    assert.deepEqual(heard, [undefined]);
  });
});
