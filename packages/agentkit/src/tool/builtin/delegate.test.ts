import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { add, sayResults, withCode } from '../../../test/tester.ts';
import type { AgentDefinition } from '../../agent.ts';
import { defineAgent } from '../../define-agent.ts';
import { BudgetExceededError } from '../../errors.ts';
import type { AgentEvent } from '../../event.ts';
import type { Json } from '../../json.ts';
import { createMemory } from '../../memory/create-memory.ts';
import { memorySteps } from '../../memory-steps.ts';
import type { Model, ModelRequest } from '../../model/model.ts';
import { type ScriptedStep, scriptedModel } from '../../model/scripted/scripted-model.ts';
import { runAgent } from '../../run/run-agent.ts';
import type { ChildRequest } from '../../steps.ts';
import {
  callTool,
  callTools,
  fakeClock,
  memoryEnvironment,
  promptOf,
  replayingSteps,
} from '../../testing.ts';
import { defineTool } from '../define-tool.ts';
import { askHuman } from './ask-human.ts';
import { delegate } from './delegate.ts';
import { handoff } from './handoff.ts';
import { rememberTool } from './memory-tools.ts';

const agent = (name: string, steps: readonly ScriptedStep[], more: Partial<AgentDefinition> = {}) =>
  defineAgent({ name, instructions: `You are ${name}.`, model: scriptedModel({ name, steps }), ...more });
const echo = defineAgent({
  name: 'echo',
  instructions: 'Say it again.',
  model: scriptedModel({ name: 'echo', reply: (request) => promptOf(request).toUpperCase() }),
});
const handOn = (...prompts: string[]) =>
  callTools(...prompts.map((prompt) => ({ tool: 'echo', input: { prompt } })));

describe('delegate', () => {
  it('runs another agent with a conversation of its own, and gives its answer in call order', async () => {
    const boss = agent('boss', [handOn('one', 'two'), sayResults], { tools: { echo: delegate(echo) } });
    const { output, toolCalls } = await boss.run('Go');
    assert.deepEqual([output, toolCalls], ['"ONE"; "TWO"', 2]);
  });

  it('tells the model when the other agent failed, also at a limit of its own', async () => {
    const fail = agent('fails', [callTool('none'), 'x'], {
      limits: { turns: 1 },
      tools: { add },
    });
    const boss = agent('boss', [callTool('fails', { prompt: 'x' }), sayResults], {
      tools: { fails: delegate(fail) },
    });
    assert.equal((await boss.run('Go')).output, 'error "turns: 1 of 1 used, 1 more asked for"');
  });

  it('is one child step for each call, named by turn and call, and found again after a crash', async () => {
    const started: ChildRequest[] = [];
    const onChild = async (request: ChildRequest): Promise<Json> => {
      started.push(request);
      return `done ${(request.input as { prompt: string }).prompt}`;
    };
    const boss = agent('boss', [handOn('one', 'two'), callTool('echo', { prompt: 'three' }), sayResults], {
      tools: { echo: delegate(echo) },
    });
    const run = (steps: ReturnType<typeof memorySteps> | ReturnType<typeof replayingSteps>) => {
      const { run: _run, stream: _stream, ...definition } = boss;
      return runAgent(definition, { prompt: 'Go' }, memoryEnvironment({ steps }));
    };
    const first = memorySteps({ onChild });
    const whole = await run(first);
    assert.deepEqual(
      started.map(({ name, step, input }) => [name, step, input]),
      [
        ['echo', 'echo:1:call_1', { prompt: 'one', depth: 1 }],
        ['echo', 'echo:1:call_2', { prompt: 'two', depth: 1 }],
        ['echo', 'echo:2:call_3', { prompt: 'three', depth: 1, taintedBy: ['echo'] }],
      ],
    );
    const history = first.history();
    for (let length = 0; length <= history.length; length += 1) {
      const cut = history.slice(0, length);
      started.length = 0;
      const resumed = await run(replayingSteps(cut, { taskId: first.taskId, onChild }));
      assert.deepEqual(resumed, whole);
      assert.equal(started.length, 3 - cut.filter(({ kind }) => kind === 'child').length);
    }
  });

  it('hands on so many times and so deep, and then says so', async () => {
    const tools: Record<string, ReturnType<typeof delegate>> = {};
    const self = agent('deeper', [callTool('deeper', { prompt: 'on' }), sayResults], { tools });
    tools.deeper = delegate(self);
    assert.match((await self.run('Go')).output, /Work may be handed on 3 levels deep at most: do it here/);
    const boss = agent('boss', [handOn('a', 'b', 'c'), sayResults], {
      tools: { echo: delegate(echo) },
      limits: { children: 2 },
    });
    assert.equal((await boss.run('Go')).output, '"A"; "B"; error "This run may start 2 child tasks at most"');
  });

  it('draws on the budget of the run that hands work on, side by side too', async () => {
    const asked: (number | undefined)[] = [];
    const worker = defineAgent({
      name: 'worker',
      instructions: 'Work.',
      model: scriptedModel({
        name: 'worker',
        reply: ({ maxOutputTokens }) => {
          asked.push(maxOutputTokens);
          return 'word '.repeat(20);
        },
      }),
    });
    const call = { tool: 'worker', input: { prompt: 'x' } };
    const run = (tokens: number) =>
      agent('boss', [callTools(call, call), 'done'], {
        tools: { worker: delegate(worker) },
        limits: { tokens },
      }).run('Go');
    assert.equal((await run(400)).output, 'done');
    assert.ok(asked[0]! < 400 && asked[1]! <= asked[0]! - 25, `${asked}`);
    await assert.rejects(run(60), withCode('budget_exceeded'));
  });

  const talker = (words: number) =>
    agent('talker', [], { model: scriptedModel({ name: 'talker', reply: 'word '.repeat(words) }) });
  const handTo = (tool: string) => callTool(tool, { prompt: 'x' });

  it('says how far it came with all that it handed work on to, when its budget is used up', async () => {
    const used: number[] = [];
    const boss = agent('boss', [handTo('talker'), handTo('talker'), handTo('talker'), 'done'], {
      tools: { talker: delegate(talker(300)) },
      limits: { tokens: 900 },
    });
    const onEvent = (event: AgentEvent): void => {
      if (event.type === 'model.finished') used.push(event.usage.inputTokens + event.usage.outputTokens);
    };
    await assert.rejects(boss.run('Go', { onEvent }), (thrown) => {
      assert.ok(thrown instanceof BudgetExceededError);
      const own = used.reduce((sum, tokens) => sum + tokens, 0);
      const { limit, allowed, used: told } = thrown.details;
      assert.deepEqual([limit, allowed], ['tokens', 900]);
      assert.ok(Number(told) >= own + 2 * 300, `${told} of which ${own} are its own`);
      return true;
    });
  });

  it('tells what was spent in all, by those too that failed, and no cost where one is not known', async () => {
    const spend = async (steps: readonly ScriptedStep[], price?: { costMicroUsd: number }) => {
      const inner = scriptedModel({ name: 'worker', steps });
      const model: Model = {
        ...inner,
        async call(request) {
          const { usage: _usage, ...reply } = await inner.call(request);
          const tokens = { inputTokens: 70, cachedInputTokens: 0, outputTokens: 30, reasoningTokens: 0 };
          return { ...reply, usage: { ...tokens, ...price } };
        },
      };
      const worker = agent('worker', [], { model, output: z.object({ n: z.number() }) });
      const boss = agent('boss', [handTo('worker'), 'done'], { tools: { worker: delegate(worker) } });
      const { usage, spent } = await boss.run('Go');
      return [(spent?.tokens ?? 0) - usage.inputTokens - usage.outputTokens, spent?.costMicroUsd];
    };
    assert.deepEqual(await spend(['{"n":1}'], { costMicroUsd: 5 }), [100, 5]);
    assert.deepEqual(await spend(['no', 'no'], { costMicroUsd: 5 }), [200, 10]);
    assert.deepEqual(await spend(['{"n":1}']), [100, undefined]);
  });

  it('keeps to a limit of its own with all that it hands work on to in turn', async () => {
    const middle = agent('middle', [handTo('talker'), 'done'], {
      tools: { talker: delegate(talker(300)) },
      limits: { tokens: 200 },
    });
    const boss = agent('boss', [handTo('middle'), sayResults], { tools: { middle: delegate(middle) } });
    assert.match((await boss.run('Go')).output, /^error "tokens: \d+ of 200 used, \d+ more asked for"$/);
  });

  it('does not hold the run that waits for it longer than its wall time', async () => {
    const hung = agent('hung', [], {
      model: scriptedModel({ name: 'hung', reply: () => new Promise<never>(() => {}) }),
    });
    const boss = agent('boss', [handTo('hung'), 'done'], {
      tools: { hung: delegate(hung) },
      limits: { wallTimeMs: 100 },
    });
    await assert.rejects(boss.run('Go'), (thrown) => {
      assert.ok(thrown instanceof BudgetExceededError);
      assert.equal(thrown.details.limit, 'wallTimeMs');
      return true;
    });
  });

  it('never runs another agent than was meant: two of one name are refused, as under ops-core', async () => {
    const tools = { first: delegate(agent('worker', ['1'])), second: delegate(agent('worker', ['2'])) };
    const boss = agent('boss', [callTool('second', { prompt: 'x' }), sayResults], { tools });
    await assert.rejects(boss.run('Go'), /^OpspawnError: boss hands work to two agents named worker$/);
    const same = agent('worker', ['1']);
    const twice = { first: delegate(same), second: delegate(same) };
    const other = agent('boss', [callTool('second', { prompt: 'x' }), sayResults], { tools: twice });
    assert.equal((await other.run('Go')).output, '"1"');
  });

  it('is given by a tool of your own what a run takes: parts, and whose memories it may see', async () => {
    const reader = defineAgent({
      name: 'reader',
      instructions: 'Read.',
      tools: { remember: rememberTool({ scope: 'user' }) },
      model: scriptedModel({
        name: 'reader',
        reply: ({ messages }) =>
          messages.length > 2
            ? promptOf({ messages } as ModelRequest)
            : callTool('remember', { text: 'tea' }),
      }),
    });
    const asking = (given: Record<string, Json>) =>
      defineTool({
        description: 'x',
        input: z.object({}),
        ask: () => ({ kind: 'agent' as const, name: 'reader', input: given }),
        agents: [reader],
      });
    const tools = {
      parts: asking({ prompt: [{ type: 'text', text: 'look' }], userId: 'ada' }),
      empty: asking({ prompt: [] }),
      unknown: asking({ prompt: 'x', sesionId: 's' }),
    };
    const calls = Object.keys(tools).map((tool) => ({ tool, input: {} }));
    const memory = createMemory();
    const { output } = await agent('boss', [callTools(...calls), sayResults], { tools }).run('Go', {
      memory,
    });
    assert.match(
      output,
      /^"look"; error "The prompt is empty[^"]*"; error "The input of the agent reader is not/,
    );
    assert.match(output, /sesionId/);
    assert.equal((await memory.recall({ namespace: 'default', user: 'ada' }, 'tea')).length, 1);
  });

  it('is found where the conversation was handed to an agent that hands work on', async () => {
    const second = agent('second', ['skipped', handOn('one'), sayResults], {
      tools: { echo: delegate(echo) },
    });
    const first = agent('first', [callTool('second', { reason: 'x' })], {
      tools: { second: handoff(second) },
    });
    assert.equal((await first.run('Go')).output, '"ONE"');
  });

  it('is stopped with the run that handed work on', async () => {
    const stopping = new AbortController();
    const slow = defineAgent({
      name: 'slow',
      instructions: 'Wait.',
      model: scriptedModel({
        name: 'slow',
        reply: ({ signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason));
            stopping.abort();
          }),
      }),
    });
    const boss = agent('boss', [callTool('slow', { prompt: 'x' })], { tools: { slow: delegate(slow) } });
    await assert.rejects(boss.run('Go', { signal: stopping.signal }), withCode('cancelled'));
  });

  it('may need an approval as any tool does', async () => {
    const tools = { echo: delegate(echo, { approval: 'always' }) };
    const boss = agent('boss', [handOn('one'), sayResults], { tools });
    const { output } = await boss.run('Go', { onApproval: () => ({ approved: false, by: 'Ada' }) });
    assert.equal(output, 'error "Denied by Ada"');
  });
});

describe('ask_human', () => {
  const asking = (steps: readonly ScriptedStep[], more: Partial<AgentDefinition> = {}) =>
    agent('asker', steps, { tools: { ask_human: askHuman() }, ...more });
  const question = callTool('ask_human', { question: 'Which one?', choices: ['red', 'blue'] });

  it('gives what the person says', async () => {
    const { output } = await asking([question, sayResults]).run('Go', {
      onQuestion: ({ prompt }) => `${prompt.split('\n').length} lines: red`,
    });
    assert.equal(output, '"3 lines: red"');
  });

  it('tells the model when nobody answered in time', async () => {
    const clock = fakeClock();
    const {
      run: _run,
      stream: _stream,
      ...definition
    } = asking([question, sayResults], {
      tools: { ask_human: askHuman({ timeoutMs: 1000 }) },
    });
    const stepOptions = { clock, onQuestion: () => new Promise<never>(() => {}) };
    const run = runAgent(definition, { prompt: 'Go' }, memoryEnvironment({ stepOptions }));
    assert.equal((await clock.drive(run)).output, 'error "The tool ask_human timed out"');
  });

  it('ends the run where nobody can be asked', async () => {
    await assert.rejects(asking([question]).run('Go'), withCode('config_invalid'));
  });
});

describe('a tool that asks', () => {
  it('whose request cannot be made refuses the call', async () => {
    const picky = defineTool({
      description: 'x',
      input: z.object({}),
      ask: () => {
        throw new Error('not today');
      },
    });
    const boss = agent('boss', [callTool('picky'), sayResults], { tools: { picky } });
    assert.equal((await boss.run('Go')).output, 'error "not today"');
  });
});
