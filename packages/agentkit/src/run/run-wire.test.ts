/** Whole runs against the vendors' wire formats, over HTTP. */
import assert from 'node:assert/strict';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { LLMock } from '@copilotkit/aimock';
import { agentWith } from '../../test/tester.ts';
import { type Fault, openWireProxy, type WireProxy } from '../../test/wire-proxy.ts';
import type { AgentDefinition } from '../agent.ts';
import type { ProviderBudget } from '../model/budget/provider-budget.ts';
import { createModelRegistry, type ModelRegistryOptions } from '../model/registry.ts';
import { type CollectedEvents, collectEvents, memoryEnvironment } from '../testing.ts';
import { runAgent } from './run-agent.ts';
import type { RunResult } from './run-environment.ts';

const mock = new LLMock({ port: 0 });
let target: string;

/** Each vendor's own fields are made of those that it knows. */
const usage = {
  prompt_tokens: 50,
  completion_tokens: 8,
  input_tokens: 50,
  output_tokens: 8,
  promptTokenCount: 50,
  candidatesTokenCount: 8,
};

before(async () => {
  mock.on(
    { userMessage: 'one and two', hasToolResult: false },
    { toolCalls: [{ name: 'add', arguments: '{"a":1,"b":2}', id: 'call_1' }], usage },
  );
  mock.on({ userMessage: 'one and two', hasToolResult: true }, { content: 'It is 3, I am sure.', usage });
  target = await mock.start();
});

after(() => mock.stop());

const specs = [
  'openai/gpt-5.4-mini',
  'anthropic/claude-sonnet-4-6',
  'google/gemini-2.5-flash',
  'openrouter/openai/gpt-5.4-mini',
  'compatible/llama',
];

interface Told extends CollectedEvents {
  readonly proxy: WireProxy;
  run(spec: AgentDefinition['model'], options?: Partial<AgentDefinition>): Promise<RunResult>;
}

/** A server of its own for each, so that they do not share the budget of a key. */
async function within(
  tell: (told: Told) => Promise<void>,
  {
    isWatched = true,
    variables = {},
    ...registry
  }: ModelRegistryOptions & { isWatched?: boolean; variables?: Record<string, string> } = {},
): Promise<void> {
  await using proxy = await openWireProxy(target);
  const events = collectEvents();
  const models = createModelRegistry({
    environment: {
      OPENAI_API_KEY: 'k',
      OPENAI_BASE_URL: `${proxy.url}/v1`,
      ANTHROPIC_API_KEY: 'k',
      ANTHROPIC_BASE_URL: `${proxy.url}/v1`,
      GOOGLE_GENERATIVE_AI_API_KEY: 'k',
      GOOGLE_GENERATIVE_AI_BASE_URL: `${proxy.url}/v1beta`,
      OPENROUTER_API_KEY: 'k',
      OPENROUTER_BASE_URL: `${proxy.url}/api/v1`,
      AGENTKIT_LLM_BASE_URL: `${proxy.url}/v1`,
      ...variables,
    },
    ...registry,
  });
  const environment = memoryEnvironment({ onEvent: events.onEvent, isWatched: () => isWatched });
  await tell({
    ...events,
    proxy,
    run: (model = 'default', options = {}) =>
      runAgent(agentWith([], { model, ...options }), { prompt: 'one and two' }, { ...environment, models }),
  });
}

suite('a loop of two steps', { concurrency: true }, () => {
  for (const spec of specs) {
    for (const isWatched of [true, false]) {
      test(`${spec}, ${isWatched ? 'streamed' : 'at once'}`, () =>
        within(
          async ({ run, of, proxy }) => {
            const { output, turns, toolCalls, usage } = await run(spec, {
              modelOptions: { reasoningEffort: 'low' },
            });
            assert.deepEqual([output, turns, toolCalls], ['It is 3, I am sure.', 2, 1]);
            assert.deepEqual([usage.inputTokens, usage.outputTokens], [100, 16]);
            const streamed = of('text.delta').map(({ text }) => text);
            assert.equal(streamed.join(''), isWatched ? output : '');
            assert.match(JSON.stringify(proxy.bodies[0]), /effort|thinking/i, 'the effort is said');
          },
          { isWatched },
        ));
    }
  }
});

suite('a cassette of two steps', { concurrency: true }, () => {
  for (const spec of specs) {
    for (const isWatched of [true, false]) {
      test(`recorded with ${spec}, ${isWatched ? 'streamed' : 'at once'}, gives the same run without it`, async () => {
        await using folder = await mkdtempDisposable(join(tmpdir(), 'cassettes-'));
        const play = async (mode: 'record' | 'replay') => {
          const played = Promise.withResolvers<unknown>();
          await within(
            async ({ run, of, proxy }) => {
              if (mode === 'replay') proxy.fault = 'reset';
              const { output, usage, turns } = await run('cassette/two-steps');
              const deltas = of('text.delta').map(({ text }) => text);
              played.resolve({ output, usage, turns, deltas });
              assert.equal(proxy.bodies.length, mode === 'record' ? 2 : 0);
            },
            {
              isWatched,
              variables: {
                AGENTKIT_CASSETTE_MODEL: spec,
                AGENTKIT_CASSETTE_FOLDER: folder.path,
                AGENTKIT_CASSETTE_MODE: mode,
              },
            },
          );
          return await played.promise;
        };
        const recorded = await play('record');
        assert.partialDeepStrictEqual(recorded, { output: 'It is 3, I am sure.', turns: 2 });
        assert.deepEqual(await play('replay'), recorded);
      });
    }
  }
});

const answer = (status: number, body: string, headers: Record<string, string> = {}): Fault => ({
  status,
  body,
  headers: { 'content-type': status === 200 ? 'text/event-stream' : 'application/json', ...headers },
});

const faults: Record<string, Fault> = {
  'a 429 with Retry-After': answer(429, '{"error":{"message":"slow down"}}', { 'retry-after': '1' }),
  'a 500': answer(500, '{"error":{"message":"oops"}}'),
  'an answer that is no JSON': answer(200, 'data: {"choices": [\n\n'),
  'an empty answer': answer(200, ''),
  'an answer cut off in the middle': { keep: 0.4 },
  'no answer within its time': 'hang',
  'a closed connection': 'reset',
};

const impatient: Partial<AgentDefinition> = { modelOptions: { timeoutMs: 2_000 } };

suite('the run asks again, to the same end, after', { concurrency: 4 }, () => {
  for (const [name, fault] of Object.entries(faults)) {
    for (const spec of ['openai/gpt-5.4-mini', 'anthropic/claude-sonnet-4-6', 'google/gemini-2.5-flash'])
      test(`${name} of ${spec}`, () =>
        within(async ({ run, of, proxy }) => {
          proxy.nextFaults.push(fault);
          const { output, turns } = await run(spec, fault === 'hang' ? impatient : {});
          assert.deepEqual([output, turns], ['It is 3, I am sure.', 2]);
          // A busy machine may miss the short time more than once.
          assert.ok(fault === 'hang' || proxy.bodies.length === 3, `${proxy.bodies.length} requests`);
          assert.equal(of('step.reset').length, proxy.bodies.length - 2);
          assert.equal(of('model.finished').length, 2, 'what failed is no turn');
        }));
  }
});

suite('what cannot work', { concurrency: true }, () => {
  test('is not asked again', () =>
    within(async ({ run, of, proxy }) => {
      proxy.fault = answer(401, '{"error":{"message":"no such key"}}');
      await assert.rejects(run('anthropic/claude-sonnet-4-6'), { code: 'model_rejected' });
      assert.equal(proxy.bodies.length, 1);
      assert.deepEqual(
        of('run.failed').map(({ code }) => code),
        ['model_rejected'],
      );
    }));

  test('is asked of the next model of the chain, which is named as the one that answered', () =>
    within(async ({ run, of, proxy }) => {
      proxy.nextFaults.push(answer(404, '{"error":{"message":"no such model"}}'));
      const { output } = await run(['anthropic/claude-gone', 'openai/gpt-5.4-mini']);
      assert.equal(output, 'It is 3, I am sure.');
      assert.deepEqual(
        of('model.finished').map(({ model }) => model),
        ['openai/gpt-5.4-mini', 'anthropic/claude-gone'],
      );
    }));
});

suite('the budget of a key', () => {
  test('is told what each call used, what the provider said, and when it refused', async () => {
    const told: unknown[] = [];
    const budget: ProviderBudget = {
      async admit({ key, model, tokens }) {
        told.push([/^openai:[0-9a-f]{16}$/.test(key), model, tokens > 20]);
        return { accepted: (bounds) => told.push(bounds), settle: (end) => told.push(end) };
      },
    };
    const bounds = {
      'x-ratelimit-limit-requests': '9',
      'x-ratelimit-remaining-requests': '8',
      'x-ratelimit-reset-requests': '1s',
    };
    await within(
      async ({ run, proxy }) => {
        proxy.nextFaults.push(answer(429, '{}', { 'retry-after-ms': '10' }));
        proxy.nextFaults.push(answer(200, '', bounds));
        await run('openai/gpt-5.4-mini');
      },
      { budget },
    );
    const admitted = [true, 'openai/gpt-5.4-mini', true];
    const used = (end: unknown): boolean => (end as { tokens: number }).tokens > 0;
    assert.deepEqual(told.slice(0, 5), [
      admitted,
      { refused: { retryAfterMs: 10 } },
      admitted,
      { requests: { limit: 9, remaining: 8, resetsInMs: 1_000 } },
      { refused: undefined },
    ]);
    assert.equal(told.filter(used).length, 2);
  });

  test('makes every run wait that uses the key, as long as the run may take', async () => {
    await within(async ({ run, proxy }) => {
      proxy.nextFaults.push(answer(429, '{}', { 'retry-after': '60' }));
      for (const wallTimeMs of [2_000, 500]) {
        await assert.rejects(run('google/gemini-2.5-flash', { limits: { wallTimeMs } }), {
          code: 'budget_exceeded',
          message: /wallTimeMs/,
        });
      }
      assert.equal(proxy.bodies.length, 1, 'the second run sent nothing');
    });
  });
});
