import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { modelError, readRetryAfter } from './model-error.ts';

test('Retry-After is read in seconds, as a date, and more exactly in milliseconds', () => {
  const now = Date.parse('2026-11-21T09:00:00Z');
  const cases: [Record<string, string> | undefined, number | undefined][] = [
    [{ 'retry-after': '0' }, 0],
    [{ 'retry-after': ' 120 ' }, 120_000],
    [{ 'retry-after': '1.5' }, 1_500],
    [{ 'retry-after': 'Sat, 21 Nov 2026 09:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Sat, 21 Nov 2026 08:00:00 GMT' }, 0],
    [{ 'retry-after': '2', 'retry-after-ms': '250' }, 250],
    [{ 'retry-after': '2', 'retry-after-ms': 'soon' }, 2_000],
    [{ 'retry-after': 'soon' }, undefined],
    [{ 'retry-after': '-5' }, undefined],
    [{ 'retry-after': '1000000000' }, 31_536_000_000],
    [{ 'retry-after': '9'.repeat(400) }, 31_536_000_000],
    [{ 'retry-after-ms': '9'.repeat(400) }, 31_536_000_000],
    [{ 'retry-after': 'Fri, 31 Dec 9999 23:59:59 GMT' }, 31_536_000_000],
    [{ 'retry-after': '' }, undefined],
    [{}, undefined],
    [undefined, undefined],
  ];
  for (const [headers, expected] of cases)
    assert.equal(readRetryAfter(headers, now), expected, JSON.stringify(headers));
});

test('the quotation of an answer that nobody understands is cut short', () => {
  const { message } = modelError(new Error('x'.repeat(100_000)), 'a/b', new AbortController().signal);
  assert.ok(message.length < 1_100);
});

/** Of a model whose server answers so, with success. */
async function errorOf(body: string | ReadableStream): Promise<Error> {
  const fetch = async () => new Response(body, { headers: { 'content-type': 'application/json' } });
  const model = createOpenAICompatible({ name: 'compatible', baseURL: 'http://model.invalid/v1', fetch })(
    'm',
  );
  const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'Hello?' }] }];
  const thrown = await model.doGenerate({ prompt }).then(
    () => assert.fail('it was taken for an answer'),
    (error: unknown) => error,
  );
  return modelError(thrown, 'compatible/m', new AbortController().signal);
}

test('what a server answers with success that is no answer is quoted', async () => {
  const body = JSON.stringify({ error: { message: 'The model is loading', code: 503 } });
  const error = await errorOf(body);
  assert.equal(error.message, `compatible/m failed (HTTP 200): Invalid JSON response. It answered: ${body}`);
});

test('an answer that broke off is told as that, with the innermost cause', async () => {
  const reset = Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
  const body = new ReadableStream({
    pull: (controller) => controller.error(new TypeError('terminated', { cause: reset })),
  });
  const error = await errorOf(body);
  assert.equal(error.message, 'compatible/m failed (HTTP 200): the answer broke off (ECONNRESET)');
});
