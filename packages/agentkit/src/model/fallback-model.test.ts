import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpspawnError } from '../errors.ts';
import { fallbackModel } from './fallback-model.ts';
import type { Model, ModelRequest } from './model.ts';

const usage = { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1, reasoningTokens: 0 };

function answering(id: string, limits: Partial<Model> = {}): Model {
  return {
    id,
    ...limits,
    call: ({ onDelta }) => {
      onDelta?.({ kind: 'text', text: id });
      const message = { role: 'assistant' as const, content: [{ type: 'text' as const, text: id }] };
      return Promise.resolve({ message, usage, finishReason: 'stop', model: id });
    },
  };
}

const failing = (id: string, thrown: unknown, says?: string): Model => ({
  id,
  call: ({ onDelta }) => {
    if (says !== undefined) onDelta?.({ kind: 'text', text: says });
    return Promise.reject(thrown);
  },
});

const failed = new OpspawnError('model_failed', 'down');
const rejected = new OpspawnError('model_rejected', 'gone');
const request = (more: Partial<ModelRequest> = {}): ModelRequest => ({
  messages: [],
  tools: [],
  signal: new AbortController().signal,
  ...more,
});

test('the first model that answers answers, and says that it did', async () => {
  const model = fallbackModel(failing('a', failed), failing('b', rejected), answering('c'), answering('d'));
  assert.equal(model.id, 'a');
  assert.equal((await model.call(request())).model, 'c');
});

test('when none answers the failure is thrown that passes soonest, or else the last one', async () => {
  const busy = (retryAfterMs: number) => new OpspawnError('model_failed', 'busy', { retryAfterMs });
  const thrownBy = async (...failures: unknown[]): Promise<unknown> => {
    const [first, ...others] = failures.map((each, index) => failing(String(index), each));
    return await fallbackModel(first as Model, ...others)
      .call(request())
      .catch((thrown) => thrown);
  };
  const [long, short] = [busy(5_000), busy(10)];
  assert.equal(await thrownBy(rejected, failed), failed);
  assert.equal(await thrownBy(failed, rejected), failed);
  assert.equal(await thrownBy(long, short), short);
  assert.equal(await thrownBy(short, long), short);
  assert.equal(await thrownBy(new OpspawnError('model_rejected', 'no'), rejected), rejected);
});

test('nobody else is asked once a piece of an answer was shown', async () => {
  const shown: string[] = [];
  const onDelta: ModelRequest['onDelta'] = ({ text }) => void shown.push(text);
  await assert.rejects(
    fallbackModel(failing('a', failed, 'be'), answering('b')).call(request({ onDelta })),
    failed,
  );
  assert.deepEqual(shown, ['be']);
  await fallbackModel(failing('a', failed), answering('b')).call(request({ onDelta }));
  assert.deepEqual(shown, ['be', 'b']);
});

test('an abort or a bug is no reason to ask another model', async () => {
  const bug = new TypeError('bug');
  await assert.rejects(fallbackModel(failing('a', bug), answering('b')).call(request()), bug);
  const aborted = request({ signal: AbortSignal.abort() });
  await assert.rejects(fallbackModel(failing('a', failed), answering('b')).call(aborted), failed);
});

test('a request is sized for the smallest, and priced by the dearest, of all models', () => {
  const cheap = { inputMicroUsd: 1, outputMicroUsd: 1 };
  const dear = { inputMicroUsd: 1, outputMicroUsd: 9 };
  const small = answering('a', { contextTokens: 10, price: cheap });
  const large = answering('b', { contextTokens: 20, maxOutputTokens: 5, price: dear });
  const { contextTokens, maxOutputTokens, price } = fallbackModel(small, large);
  assert.deepEqual([contextTokens, maxOutputTokens, price], [10, 5, dear]);
  assert.equal(fallbackModel(small, answering('c')).price, undefined);
});

test('a model that does not answer in its time is passed over', async () => {
  const hanging: Model = {
    id: 'a',
    call: ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
      }),
  };
  assert.equal((await fallbackModel(hanging, answering('b')).call(request({ timeoutMs: 5 }))).model, 'b');
});

test('a model that answers with nothing is passed over, for whatever reason', async () => {
  for (const finishReason of ['stop', 'content-filter']) {
    const message = { role: 'assistant' as const, content: [{ type: 'reasoning' as const, text: 'hm' }] };
    const reply = { message, usage, finishReason, model: 'a' };
    const mute: Model = { id: 'a', call: () => Promise.resolve(reply) };
    assert.equal((await fallbackModel(mute, answering('b')).call(request())).model, 'b');
  }
});

test('a model that fails in the middle of its answer is passed over where what was shown can be taken back', async () => {
  const shown: string[] = [];
  const onDelta: ModelRequest['onDelta'] = ({ text }) => void shown.push(text);
  const onReset: ModelRequest['onReset'] = (reason) => void shown.push(`reset: ${reason}`);
  const model = fallbackModel(failing('a', failed, 'be'), answering('b'));
  await model.call(request({ onDelta, onReset }));
  assert.deepEqual(shown, ['be', 'reset: down', 'b']);
});
