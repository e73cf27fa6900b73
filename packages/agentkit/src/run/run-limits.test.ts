import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { agentWith, withCode } from '../../test/tester.ts';
import { BudgetExceededError, OpspawnError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { memoryBudget } from '../memory-budget.ts';
import type { Model } from '../model/model.ts';
import { scriptedModel } from '../model/scripted/scripted-model.ts';
import { callTool, callTools, fakeClock, memoryEnvironment } from '../testing.ts';
import { defineTool } from '../tool/define-tool.ts';
import { runAgent } from './run-agent.ts';

const calls = Array.from({ length: 60 }, (_, a) => callTool('add', { a, b: 2 }));

async function exceeded(limits: Limits, definition: Parameters<typeof agentWith>[1] = {}, steps = calls) {
  const environment = memoryEnvironment();
  const run = runAgent(agentWith(steps, { ...definition, limits }), { prompt: 'go' }, environment);
  const thrown = await run.then(
    () => assert.fail('the run went on'),
    (reason: unknown) => reason,
  );
  assert.ok(thrown instanceof BudgetExceededError, String(thrown));
  return { details: thrown.details, recorded: environment.steps.history().length };
}

describe('a limit says which one it is and how far the run came', () => {
  it('turns', async () => {
    const { details, recorded } = await exceeded({ turns: 3 });
    assert.deepEqual(details, { limit: 'turns', allowed: 3, used: 3, asked: 1 });
    assert.equal(recorded, 6);
  });

  it('turns, 50 when nothing is said', async () => {
    const { details } = await exceeded({});
    assert.equal(details.allowed, 50);
  });

  it('tool calls, before the first one too many runs', async () => {
    const four = callTools(...Array.from({ length: 4 }, () => ({ tool: 'add', input: { a: 1, b: 2 } })));
    const { details, recorded } = await exceeded({ toolCalls: 6 }, {}, [four, four]);
    assert.deepEqual(details, { limit: 'toolCalls', allowed: 6, used: 4, asked: 4 });
    assert.equal(recorded, 6);
  });

  it('calls that were refused count too', async () => {
    const { details } = await exceeded({ toolCalls: 2 }, {}, [
      callTool('no'),
      callTool('no'),
      callTool('no'),
    ]);
    assert.equal(details.used, 2);
  });

  it('tokens', async () => {
    const { details } = await exceeded({ tokens: 60 });
    assert.equal(details.limit, 'tokens');
    assert.ok(Number(details.used) <= 60 && Number(details.used) + Number(details.asked) > 60);
  });

  it('wall time, from the first step to the last result', async () => {
    const clock = fakeClock();
    const wait = defineTool({
      description: 'Waits',
      input: z.object({}),
      execute: () => clock.advance(400),
    });
    const agent = agentWith([callTool('wait'), callTool('wait'), callTool('wait'), callTool('wait')], {
      tools: { wait },
      limits: { wallTimeMs: 1000 },
    });
    await assert.rejects(
      runAgent(agent, { prompt: 'go' }, memoryEnvironment({ stepOptions: { clock } })),
      (thrown) => thrown instanceof BudgetExceededError && thrown.details.used === 1200,
    );
  });

  it('wall time, also while a model hangs', async () => {
    const clock = fakeClock();
    const model = scriptedModel({ name: 'hangs', reply: () => new Promise(() => {}) });
    const agent = agentWith([], { model, limits: { wallTimeMs: 5000 } });
    const run = runAgent(agent, { prompt: 'go' }, memoryEnvironment({ stepOptions: { clock } }));
    await assert.rejects(clock.drive(run), (thrown) => thrown instanceof BudgetExceededError);
  });

  it('wall time, after which nothing is tried again', async () => {
    let tries = 0;
    const hang = (): Promise<never> => {
      tries += 1;
      return new Promise(() => {});
    };
    const tool = defineTool({
      description: 'x',
      input: z.object({}),
      annotations: { readOnlyHint: true },
      execute: hang,
    });
    const limits = { wallTimeMs: 20 };
    const hanging = { input: [Object.defineProperty(hang, 'name', { value: 'hang' })] };
    for (const definition of [{ tools: { tool } }, { guardrails: hanging }]) {
      tries = 0;
      const run = runAgent(
        agentWith([callTool('tool')], { ...definition, limits }),
        { prompt: 'go' },
        memoryEnvironment(),
      );
      await assert.rejects(run, (thrown) => thrown instanceof BudgetExceededError);
      assert.equal(tries, 1);
    }
  });

  it('wall time, also in the pause before a model is asked again', { timeout: 20_000 }, async () => {
    const clock = fakeClock(); // it stands still: the pause never ends
    const reply = () => Promise.reject(new OpspawnError('model_failed', 'busy'));
    const agent = agentWith([], {
      model: scriptedModel({ name: 'busy', reply }),
      limits: { wallTimeMs: 50 },
    });
    const run = runAgent(agent, { prompt: 'go' }, memoryEnvironment({ stepOptions: { clock } }));
    await assert.rejects(run, (thrown) => thrown instanceof BudgetExceededError);
  });

  it('wall time, also while nobody answers', async () => {
    const clock = fakeClock();
    const tool = defineTool({ description: 'x', input: z.object({}), approval: 'always', execute: () => 1 });
    const agent = agentWith([callTool('tool')], { tools: { tool }, limits: { wallTimeMs: 5000 } });
    const stepOptions = { clock, onApproval: () => new Promise<never>(() => {}) };
    const run = runAgent(agent, { prompt: 'go' }, memoryEnvironment({ stepOptions }));
    await assert.rejects(clock.drive(run), (thrown) => thrown instanceof BudgetExceededError);
  });

  const priced = (outputMicroUsd: number): Model => {
    const base = scriptedModel({ name: 'priced', steps: calls });
    return {
      ...base,
      price: { inputMicroUsd: 0, outputMicroUsd },
      call: async (request) => {
        const reply = await base.call(request);
        return { ...reply, usage: { ...reply.usage, costMicroUsd: reply.usage.outputTokens * 2 } };
      },
    };
  };

  it('cost', async () => {
    const { details } = await exceeded({ costMicroUsd: 20 }, { model: priced(2_000_000) });
    assert.equal(details.limit, 'costMicroUsd');
    assert.ok(Number(details.used) >= 20);
  });

  it('tokens and cost, also of a provider that counts nothing', async () => {
    const scripted = scriptedModel({ name: 'silent', steps: calls });
    const silent: Model = {
      id: 'x/silent',
      price: { inputMicroUsd: 1_000_000, outputMicroUsd: 1_000_000 },
      async call(request) {
        const usage = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, reasoningTokens: 0 };
        return { ...(await scripted.call(request)), usage };
      },
    };
    assert.equal((await exceeded({ tokens: 1_000 }, { model: silent })).details.limit, 'tokens');
    assert.equal((await exceeded({ costMicroUsd: 1_000 }, { model: silent })).details.limit, 'costMicroUsd');
  });

  it('cost: a model of unknown price is refused before the first call', async () => {
    const { price: _, ...model } = priced(1);
    const environment = memoryEnvironment();
    const agent = agentWith([], { model, limits: { costMicroUsd: 1000 } });
    await assert.rejects(runAgent(agent, { prompt: 'go' }, environment), withCode('config_invalid'));
    assert.deepEqual(environment.steps.history(), []);
  });

  it('bounds how long an answer may be by what is left', async () => {
    const asked: (number | undefined)[] = [];
    const model = scriptedModel({
      name: 'bounded',
      maxOutputTokens: 500,
      reply: ({ maxOutputTokens, messages }) => {
        asked.push(maxOutputTokens);
        return messages.length < 5 ? callTool('add', { a: 1, b: 2 }) : 'done';
      },
    });
    await runAgent(agentWith([], { model }), { prompt: 'go' }, memoryEnvironment());
    await runAgent(agentWith([], { model, limits: { tokens: 400 } }), { prompt: 'go' }, memoryEnvironment());
    const { maxOutputTokens: _, ...free } = model;
    const limits = { costMicroUsd: 1 };
    await runAgent(agentWith([], { model: free, limits }), { prompt: 'go' }, memoryEnvironment());
    assert.deepEqual(asked.slice(0, 3), [500, 500, 500]);
    assert.equal(asked.at(-1), undefined);
    assert.ok(asked[3]! < 400, 'what is sent counts too');
    assert.ok(asked[4]! < asked[3]! && asked[5]! < asked[4]!);
  });

  it('is reserved before a call and settled after it, in a budget that others share', async () => {
    const log: string[] = [];
    const environment = memoryEnvironment();
    const { budget } = environment.steps;
    const watched: typeof budget = {
      reserve: (step, amount) => {
        log.push(`reserve ${step} ${amount.tokens} ${amount.costMicroUsd}`);
        return budget.reserve(step, amount);
      },
      settle: (step, used) => {
        log.push(`settle ${step}`);
        return budget.settle(step, used);
      },
    };
    Object.defineProperty(environment.steps, 'budget', { value: watched });
    const model = {
      ...scriptedModel({ name: 'm', maxOutputTokens: 9, steps: [calls[0]!, 'x'] }),
      price: { inputMicroUsd: 0, outputMicroUsd: 2_500_000 },
    };
    await runAgent(agentWith([], { model }), { prompt: 'go' }, environment);
    assert.deepEqual(log, [
      'reserve model:1 9 23',
      'settle model:1',
      'reserve model:2 9 23',
      'settle model:2',
    ]);
  });

  it('of a shared budget bounds the answer, and stops the run when nothing is left', async () => {
    let asked: number | undefined;
    const model = scriptedModel({
      name: 'm',
      maxOutputTokens: 100,
      reply: ({ maxOutputTokens }) => {
        asked = maxOutputTokens;
        return 'x';
      },
    });
    const run = (tokens: number) => {
      const environment = memoryEnvironment({ stepOptions: { budget: { tokens } } });
      return runAgent(agentWith([], { model }), { prompt: 'go' }, environment);
    };
    await run(100);
    assert.ok(asked! > 0 && asked! < 100);
    await assert.rejects(
      run(0),
      (thrown) => thrown instanceof BudgetExceededError && thrown.details.used === 0,
    );
  });

  it('is not passed by runs that share it at the same time, what they send included', async () => {
    const budget = memoryBudget({ tokens: 2_000 });
    let spent = 0;
    const scripted = scriptedModel({ name: 'm', maxOutputTokens: 100, reply: 'x' });
    const model: Model = {
      ...scripted,
      async call(request) {
        const usage = {
          inputTokens: 400,
          cachedInputTokens: 0,
          outputTokens: Math.min(100, request.maxOutputTokens ?? 100),
          reasoningTokens: 0,
        };
        return { ...(await scripted.call(request)), usage };
      },
    };
    const runs = Array.from({ length: 8 }, async (_, index) => {
      const environment = memoryEnvironment({ stepOptions: { budget: budget.share(`run ${index}`) } });
      const prompt = 'four '.repeat(310);
      const { usage } = await runAgent(agentWith([], { model }), { prompt }, environment);
      spent += usage.inputTokens + usage.outputTokens;
    });
    const ends = await Promise.allSettled(runs);
    assert.equal(ends.filter(({ status }) => status === 'fulfilled').length, 4);
    assert.ok(spent <= 2_000, `${spent} tokens`);
  });
});
