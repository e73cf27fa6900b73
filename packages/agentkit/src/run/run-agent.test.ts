import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { add, agentWith, sayResults, withCode } from '../../test/tester.ts';
import { BudgetExceededError, OpspawnError } from '../errors.ts';
import { memorySteps } from '../memory-steps.ts';
import type { Message } from '../message.ts';
import { type ScriptedStep, scriptedModel } from '../model/scripted/scripted-model.ts';
import { direct } from '../planner/direct.ts';
import type { Planner } from '../planner/planner.ts';
import { callTool, callTools, collectEvents, memoryEnvironment } from '../testing.ts';
import { defineTool } from '../tool/define-tool.ts';
import { runAgent } from './run-agent.ts';

describe('a run', () => {
  it('calls tools until the model answers without asking for one', async () => {
    const agent = agentWith([callTool('add', { a: 1, b: 2 }), callTool('add', { a: 3, b: 4 }), sayResults]);
    const result = await runAgent(agent, { prompt: 'add' }, memoryEnvironment());
    assert.equal(result.output, '7');
    assert.equal(result.turns, 3);
    assert.equal(result.toolCalls, 2);
    assert.equal(result.usage.costMicroUsd, 0);
  });

  it('tells everything in order, and live only what no recorded step tells', async () => {
    const all = collectEvents();
    const live = collectEvents();
    const steps = memorySteps({ onEvent: live.onEvent });
    const agent = agentWith([callTool('add', { a: 1, b: 2 }), 'It is three.']);
    await runAgent(agent, { prompt: 'add' }, memoryEnvironment({ steps, onEvent: all.onEvent }));
    assert.deepEqual(
      all.events.map(({ type }) => type),
      [
        ...['run.started', 'turn.started', 'model.finished', 'tool.started', 'tool.finished'],
        ...['turn.started', 'text.delta', 'text.delta', 'text.delta', 'model.finished', 'run.finished'],
      ],
    );
    assert.deepEqual(
      live.events.map(({ type }) => type),
      all.events.map(({ type }) => type).filter((type) => !/finished$/.test(type)),
    );
    assert.equal(
      all
        .of('text.delta')
        .map(({ text }) => text)
        .join(''),
      'It is three.',
    );
  });

  it('streams only when somebody watches', async () => {
    const { of, onEvent } = collectEvents();
    const environment = memoryEnvironment({ onEvent, isWatched: () => false });
    await runAgent(agentWith(['a b c']), { prompt: 'x' }, environment);
    assert.equal(of('text.delta').length, 0);
  });

  it('goes on when a watcher throws', async () => {
    const onEvent = (): void => {
      throw new Error('broken watcher');
    };
    const { output } = await runAgent(agentWith(['fine']), { prompt: 'x' }, memoryEnvironment({ onEvent }));
    assert.equal(output, 'fine');
  });

  it('goes on when a watcher or a log fails later, or the log at once', async () => {
    // as a sink of the type is allowed to be
    const onEvent = (() => Promise.reject(new Error('broken'))) as unknown as () => void;
    for (const onLog of [onEvent, () => assert.fail('broken log')]) {
      const environment = memoryEnvironment({ onEvent, stepOptions: { onLog } });
      assert.equal((await runAgent(agentWith(['fine']), { prompt: 'x' }, environment)).output, 'fine');
    }
  });

  it('with the planner direct makes one call without tools', async () => {
    const model = scriptedModel({ name: 'direct', reply: ({ tools }) => `${tools.length} tools` });
    const { output, turns } = await runAgent(
      agentWith([], { model, planner: direct }),
      { prompt: 'x' },
      memoryEnvironment(),
    );
    assert.deepEqual({ output, turns }, { output: '0 tools', turns: 1 });
  });

  it('refuses a planner that leaves tool calls without a result', async () => {
    const planner: Planner = { name: 'hasty', next: ({ messages }) => ({ do: 'call_model', messages }) };
    const agent = agentWith([callTool('add', { a: 1, b: 2 }), 'never'], { planner });
    await assert.rejects(runAgent(agent, { prompt: 'x' }, memoryEnvironment()), withCode('internal'));
  });

  it('ends with nothing when a planner finishes with nothing', async () => {
    const planner = { name: 'silent', next: () => ({ do: 'finish' }) } as unknown as Planner;
    assert.equal(
      (await runAgent(agentWith([], { planner }), { prompt: 'x' }, memoryEnvironment())).output,
      null,
    );
  });

  it('says whose function failed', async () => {
    const fail = (): never => {
      throw null;
    };
    const planner: Planner = { name: 'lost', next: fail };
    const cases: [ReturnType<typeof agentWith>, RegExp][] = [
      [agentWith([], { planner }), /^The planner lost failed: null$/],
      [agentWith(['{}'], { output: z.object({}).refine(fail) }), /^The output schema failed: null$/],
      [
        agentWith(['x'], {
          guardrails: {
            output: [
              function decent() {
                fail();
              },
            ],
          },
        }),
        /^The guardrail decent failed: null$/,
      ],
    ];
    for (const [agent, message] of cases)
      await assert.rejects(runAgent(agent, { prompt: 'x' }, memoryEnvironment()), {
        code: 'internal',
        message,
      });
  });

  it('refuses a file that is neither base64 nor an address, before a model is asked', async () => {
    const prompt = (data: string) => [{ type: 'file' as const, mediaType: 'image/png', data }];
    for (const data of ['', './invoice.pdf', 'file:///etc/passwd', 'https://', 'data:image/png;base64,'])
      await assert.rejects(runAgent(agentWith(['x']), { prompt: prompt(data) }, memoryEnvironment()), {
        code: 'invalid_argument',
        message: /\[0\]\.data: must be base64/,
      });
    for (const data of [
      'iVBORw0KGgo=',
      'iVBO\r\nRw0K',
      'https://shop.example/1.png',
      'gs://b/1.png',
      'data:image/png;base64,iVBO',
    ])
      await runAgent(agentWith(['x']), { prompt: prompt(data) }, memoryEnvironment());
  });

  it('says what is wrong with a decision, and asks no model because of one', async () => {
    const odd: [object, RegExp][] = [
      [{ do: 'call_model' }, /lost decided on call_model without messages/],
      [{ do: 'call_model', messages: [{ role: 'user', content: 'x' }] }, /call_model without messages/],
      [{ do: 'take_turn' }, /take_turn without calls/],
      [{ do: 'take_turn', calls: [{ tool: 5 }] }, /take_turn without calls/],
      [{ do: 'call_tools' }, /call_tools without calls/],
    ];
    const never = scriptedModel({ name: 'never', reply: () => assert.fail('it was asked') });
    for (const [decision, message] of odd) {
      const planner = { name: 'lost', next: () => decision } as unknown as Planner;
      const run = runAgent(agentWith([], { planner, model: never }), { prompt: 'x' }, memoryEnvironment());
      await assert.rejects(run, { code: 'internal', message });
    }
  });

  it('refuses at once what is no model, and what a model gives that is no reply', async () => {
    let asked = 0;
    for (const given of [undefined, {}, { message: { role: 'assistant', content: 'a text' }, usage: {} }]) {
      const call = async () => {
        asked += 1;
        return given as never;
      };
      const agent = agentWith([], { model: { id: 'own/x', call } });
      const run = runAgent(agent, { prompt: 'x' }, memoryEnvironment());
      await assert.rejects(run, { code: 'model_rejected', message: /^The model own\/x gave no reply/ });
    }
    assert.equal(asked, 3);
    const models = { resolve: async () => null as never };
    const run = runAgent(
      agentWith([], { model: 'own/y' }),
      { prompt: 'x' },
      { ...memoryEnvironment(), models },
    );
    await assert.rejects(run, { code: 'config_invalid', message: /own\/y gave no model/ });
  });

  it('refuses a planner that makes up tool calls', async () => {
    const made = { type: 'tool-call' as const, callId: 'x', tool: 'add', input: {} };
    const planner: Planner = { name: 'inventive', next: () => ({ do: 'call_tools', calls: [made] }) };
    const agent = agentWith([], { planner });
    await assert.rejects(runAgent(agent, { prompt: 'x' }, memoryEnvironment()), withCode('internal'));
  });

  it('ends with a code for a planner that decides nothing that is known, or ends with what is no JSON', async () => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    for (const [decided, code] of [
      [undefined, 'internal'],
      [{ do: 'dance' }, 'internal'],
      [{ do: 'finish', output: circular }, 'not_json'],
    ] as const) {
      const planner: Planner = { name: 'odd', next: () => decided as never };
      await assert.rejects(
        runAgent(agentWith([], { planner }), { prompt: 'x' }, memoryEnvironment()),
        withCode(code),
      );
    }
  });

  it('does not wait for a planner longer than it may, nor after it was stopped', async () => {
    const planner: Planner = { name: 'slow', next: () => new Promise(() => {}) };
    await assert.rejects(
      runAgent(agentWith([], { planner, limits: { wallTimeMs: 20 } }), { prompt: 'x' }, memoryEnvironment()),
      (thrown) => thrown instanceof BudgetExceededError && thrown.details.limit === 'wallTimeMs',
    );
    const signal = AbortSignal.timeout(20);
    await assert.rejects(
      runAgent(agentWith([], { planner }), { prompt: 'x' }, memoryEnvironment({ stepOptions: { signal } })),
      withCode('cancelled'),
    );
  });

  it('refuses a prompt that is neither a text nor a list of parts', async () => {
    for (const prompt of [5, {}, [{ type: 'text' }], [null], undefined])
      await assert.rejects(
        runAgent(agentWith(['x']), { prompt: prompt as never }, memoryEnvironment()),
        withCode('invalid_argument'),
      );
  });

  it('refuses two tools of one name', async () => {
    await assert.rejects(
      runAgent(agentWith(['x']), { prompt: 'x' }, memoryEnvironment({ extraTools: { add } })),
      withCode('invalid_argument'),
    );
  });

  it('keeps what it records small: 20 steps in 12 KB, and step 200 as small as step 20', async () => {
    const calls = Array.from({ length: 199 }, (_, n) => callTool('add', { a: n, b: 1 }));
    const bytesOf = async (steps: readonly ScriptedStep[]): Promise<number[]> => {
      const environment = memoryEnvironment();
      const agent = agentWith(steps, { limits: { turns: 200 } });
      await runAgent(agent, { prompt: 'a prompt of some words' }, environment);
      return environment.steps.history().map(({ outcome }) => JSON.stringify(outcome).length);
    };
    const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
    const twenty = await bytesOf([...calls.slice(0, 19), 'done']);
    const twoHundred = await bytesOf([...calls, 'done']);
    assert.ok(sum(twenty) < 12_000, `${sum(twenty)} bytes`);
    assert.ok(sum(twoHundred.slice(-39)) < sum(twenty) * 1.1);
  });

  it('hands the model the same growing list at every turn, not a copy', async () => {
    const lists = new Set<readonly Message[]>();
    const look =
      (step: ScriptedStep): ScriptedStep =>
      (request) => {
        lists.add(request.messages);
        return step as string;
      };
    const agent = agentWith([
      look(callTool('add', { a: 1, b: 1 })),
      look(callTool('add', { a: 1, b: 1 })),
      look('x'),
    ]);
    await runAgent(agent, { prompt: 'x' }, memoryEnvironment());
    assert.equal(lists.size, 1);
  });
});

describe('a run that is stopped', () => {
  it('in the middle of a model call rejects with the reason and aborts the call', async () => {
    const stopping = new AbortController();
    let reason: unknown;
    const model = scriptedModel({
      name: 'slow',
      reply: ({ signal }) =>
        new Promise(() => {
          signal.addEventListener('abort', () => {
            reason = signal.reason;
          });
          stopping.abort(new OpspawnError('cancelled', 'enough'));
        }),
    });
    const environment = memoryEnvironment({ stepOptions: { signal: stopping.signal } });
    await assert.rejects(runAgent(agentWith([], { model }), { prompt: 'x' }, environment), {
      message: 'enough',
    });
    assert.ok(reason instanceof OpspawnError);
    assert.deepEqual(environment.steps.history(), []);
  });

  it('in the middle of tool calls aborts them all and tells the model nothing', async () => {
    const stopping = new AbortController();
    let aborted = 0;
    const hang = defineTool({
      description: 'Hangs',
      input: z.object({}),
      execute: (_, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            aborted += 1;
            reject(new Error('stopped'));
          });
          setImmediate(() => stopping.abort());
        }),
    });
    const calls = callTools({ tool: 'hang', input: {} }, { tool: 'hang', input: {} });
    const agent = agentWith([calls, 'never'], { tools: { hang } });
    const environment = memoryEnvironment({ stepOptions: { signal: stopping.signal } });
    await assert.rejects(runAgent(agent, { prompt: 'x' }, environment), withCode('cancelled'));
    assert.equal(aborted, 2);
    assert.equal(environment.steps.history().length, 1);
  });
});
