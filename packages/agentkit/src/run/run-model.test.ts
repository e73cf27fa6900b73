import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { agentWith, sayResults } from '../../test/tester.ts';
import { BudgetExceededError, OpspawnError, StepError } from '../errors.ts';
import type { Model } from '../model/model.ts';
import { createModelRegistry } from '../model/registry.ts';
import { scriptedModel } from '../model/scripted/scripted-model.ts';
import { direct } from '../planner/direct.ts';
import { callTool, callTools, collectEvents, fakeClock, memoryEnvironment } from '../testing.ts';
import { runAgent } from './run-agent.ts';

describe('a model', () => {
  it('that fails twice is asked again, not before it said, and what was streamed is taken back', async () => {
    const clock = fakeClock();
    const startedAt = clock.now();
    let calls = 0;
    const model = scriptedModel({
      name: 'flaky',
      reply: ({ onDelta }) => {
        calls += 1;
        onDelta?.({ kind: 'text', text: 'half an ans' });
        if (calls < 3) throw new OpspawnError('model_failed', `failure ${calls}`, { retryAfterMs: 30_000 });
        return 'answer';
      },
    });
    const { events, of, onEvent } = collectEvents();
    const environment = memoryEnvironment({ onEvent, stepOptions: { clock } });
    const { output } = await clock.drive(runAgent(agentWith([], { model }), { prompt: 'x' }, environment));
    assert.equal(output, 'answer');
    assert.ok(clock.now() - startedAt >= 60_000);
    assert.deepEqual(
      of('step.reset').map(({ step, reason }) => [step, reason]),
      [
        ['model:1', 'failure 1'],
        ['model:1', 'failure 2'],
      ],
    );
    const lastReset = events.findLastIndex(({ type }) => type === 'step.reset');
    const shown = events.slice(lastReset).filter((event) => event.type === 'text.delta');
    assert.equal(shown.map(({ text }) => text).join(''), 'half an ansanswer');
  });

  const askingToWait = (id: string, retryAfterMs: number): Model => ({
    id,
    call: () => Promise.reject(new OpspawnError('model_failed', `${id} is busy`, { retryAfterMs })),
  });

  it('that asks to be left alone for hours has failed, unless the agent has the patience', async () => {
    const hoursMs = 5 * 3_600_000;
    const model = askingToWait('it', hoursMs);
    const hasty = runAgent(agentWith([], { model }), { prompt: 'x' }, memoryEnvironment());
    await assert.rejects(hasty, (thrown) => {
      assert.ok(thrown instanceof StepError && thrown.code === 'model_failed', String(thrown));
      assert.match(
        thrown.message,
        /it is busy \(it asks to be left alone for 18000000 ms, of at most 600000\)/,
      );
      return thrown.details.retryAfterMs === hoursMs;
    });
    const clock = fakeClock();
    const startedAt = clock.now();
    const patient = agentWith([], { model, modelOptions: { maxRetryAfterMs: hoursMs } });
    const environment = memoryEnvironment({ stepOptions: { clock } });
    await assert.rejects(clock.drive(runAgent(patient, { prompt: 'x' }, environment)), /it is busy$/);
    assert.ok(clock.now() - startedAt >= 4 * hoursMs);
  });

  it('that asks to be left alone for longer than the run has left ends it, with true figures', async () => {
    const ask = (waitMs: number) =>
      runAgent(
        agentWith([], { model: askingToWait('it', waitMs), limits: { wallTimeMs: 30_000 } }),
        { prompt: 'x' },
        memoryEnvironment(),
      );
    await assert.rejects(ask(60_000), (thrown) => {
      assert.ok(thrown instanceof BudgetExceededError, String(thrown));
      const { limit, allowed, used, asked } = thrown.details;
      assert.deepEqual([limit, allowed, asked], ['wallTimeMs', 30_000, 60_000]);
      return Number(used) < 30_000;
    });
    await assert.rejects(ask(1e12), /it is busy \(it asks to be left alone for 1000000000000 ms/);
  });

  it('that is down for hours does not hold up the others of its chain', async () => {
    const clock = fakeClock();
    const startedAt = clock.now();
    let calls = 0;
    const quick = scriptedModel({
      name: 'quick',
      reply: () => {
        calls += 1;
        if (calls === 1) throw new OpspawnError('model_failed', 'one moment', { retryAfterMs: 1_000 });
        return 'answer';
      },
    });
    const agent = agentWith([], { model: [quick, askingToWait('slow', 5 * 3_600_000)] });
    const { output } = await clock.drive(
      runAgent(agent, { prompt: 'x' }, memoryEnvironment({ stepOptions: { clock } })),
    );
    assert.equal(output, 'answer');
    assert.ok(clock.now() - startedAt < 10_000);
  });

  it('that fails for good ends the run, with its own code and message', async () => {
    const model = scriptedModel({
      name: 'refuser',
      reply: () => {
        throw new OpspawnError('model_rejected', 'no such model');
      },
    });
    const { of, onEvent } = collectEvents();
    await assert.rejects(
      runAgent(agentWith([], { model }), { prompt: 'x' }, memoryEnvironment({ onEvent })),
      (thrown) =>
        thrown instanceof StepError && thrown.code === 'model_rejected' && /no such/.test(thrown.message),
    );
    assert.deepEqual(of('run.failed'), [
      { type: 'run.failed', code: 'model_rejected', message: 'no such model' },
    ]);
  });

  it('that answers with nothing is asked again', async () => {
    const clock = fakeClock();
    let calls = 0;
    const reply = (): string => (calls++ === 0 ? '' : 'something');
    const agent = agentWith([], { model: scriptedModel({ name: 'shy', reply }) });
    const run = runAgent(agent, { prompt: 'x' }, memoryEnvironment({ stepOptions: { clock } }));
    assert.equal((await clock.drive(run)).output, 'something');
  });

  it('that calls tools when it was offered none is asked again, and no tool runs', async () => {
    const clock = fakeClock();
    let calls = 0;
    const reply = () => (calls++ === 0 ? callTool('add', { a: 1, b: 1 }) : 'no tools then');
    const agent = agentWith([], { model: scriptedModel({ name: 'eager', reply }), planner: direct });
    const run = runAgent(agent, { prompt: 'x' }, memoryEnvironment({ stepOptions: { clock } }));
    assert.deepEqual(await clock.drive(run.then(({ output, toolCalls }) => [output, toolCalls])), [
      'no tools then',
      0,
    ]);
  });

  it('whose provider keeps the answer back is asked once', async () => {
    const usage = { inputTokens: 1, cachedInputTokens: 0, outputTokens: 0, reasoningTokens: 0 };
    for (const content of [[], [{ type: 'text' as const, text: 'First you take' }]]) {
      let calls = 0;
      const message = { role: 'assistant' as const, content };
      const call: Model['call'] = () => {
        calls += 1;
        return Promise.resolve({ message, usage, finishReason: 'content-filter', model: 'x/shut' });
      };
      const agent = agentWith([], { model: { id: 'x/shut', call } });
      await assert.rejects(runAgent(agent, { prompt: 'x' }, memoryEnvironment()), { code: 'model_rejected' });
      assert.equal(calls, 1);
    }
  });

  it('whose usage is none is asked again, and the run ends with a code', async () => {
    const clock = fakeClock();
    const good = scriptedModel({ name: 'odd', reply: 'x' });
    const call: Model['call'] = async (request) => {
      const reply = await good.call(request);
      return { ...reply, usage: { ...reply.usage, inputTokens: Number.NaN } };
    };
    const run = runAgent(
      agentWith([], { model: { id: 'x/odd', call } }),
      { prompt: 'x' },
      memoryEnvironment({ stepOptions: { clock } }),
    );
    await assert.rejects(clock.drive(run), { code: 'model_failed' });
  });

  it('that gives calls ids which no database keeps has them replaced', async () => {
    const calls = ['a\u0000', 'b c', '\ud800'].map((callId, a) => ({
      tool: 'add',
      input: { a, b: 0 },
      callId,
    }));
    const environment = memoryEnvironment();
    assert.equal(
      (await runAgent(agentWith([callTools(...calls), sayResults]), { prompt: 'x' }, environment)).output,
      '0; 1; 2',
    );
    for (const { name } of environment.steps.history()) assert.match(name, /^[!-~]+$/);
  });

  it('that never answers is given up after ten minutes, and asked again', async () => {
    const clock = fakeClock();
    let calls = 0;
    const model = scriptedModel({
      name: 'sleepy',
      reply: ({ signal }) =>
        calls++ > 0
          ? 'awake'
          : new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    });
    const startedAt = clock.now();
    const run = runAgent(
      agentWith([], { model }),
      { prompt: 'x' },
      memoryEnvironment({ stepOptions: { clock } }),
    );
    assert.equal((await clock.drive(run)).output, 'awake');
    assert.ok(clock.now() - startedAt >= 600_000);
  });

  it('whose stream is cut off on the wire is asked again, and what came of it is taken back', async () => {
    const chunk = (delta: object, finishReason: string | null = null): string => {
      const choices = [{ index: 0, delta, finish_reason: finishReason }];
      return `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', choices })}\n\n`;
    };
    let requests = 0;
    const server = createServer((_, response) => {
      requests += 1;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(chunk({ role: 'assistant', content: requests === 1 ? 'half an ' : 'whole ' }));
      if (requests === 1) response.end();
      else response.end(`${chunk({ content: 'answer' })}${chunk({}, 'stop')}data: [DONE]\n\n`);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const { port } = server.address() as AddressInfo;
      const models = createModelRegistry({
        environment: { AGENTKIT_LLM_BASE_URL: `http://127.0.0.1:${port}/v1` },
      });
      const { events, of, onEvent } = collectEvents();
      const agent = agentWith([], { model: 'compatible/m', tools: {} });
      const environment = { ...memoryEnvironment({ onEvent }), models };
      assert.equal((await runAgent(agent, { prompt: 'x' }, environment)).output, 'whole answer');
      assert.equal(of('step.reset').length, 1);
      const shown = events.filter((event) => event.type === 'text.delta').map(({ text }) => text);
      assert.deepEqual(shown, ['half an ', 'whole ', 'answer']);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
