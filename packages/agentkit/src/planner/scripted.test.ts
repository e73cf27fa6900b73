import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { add, agentWith, withCode } from '../../test/tester.ts';
import { memorySteps } from '../memory-steps.ts';
import { scriptedModel } from '../model/scripted/scripted-model.ts';
import { runAgent } from '../run/run-agent.ts';
import type { Steps } from '../steps.ts';
import { callTool, memoryEnvironment, promptOf, replayingSteps } from '../testing.ts';
import { scripted } from './scripted.ts';

const echo = scriptedModel({ name: 'echo', reply: (request) => `«${promptOf(request)}»` });

test('the lines are carried out in order, and a crash anywhere changes nothing', async () => {
  const planner = scripted([
    { call: { tool: 'add', input: { a: 1, b: 2 } } },
    {
      ask: ({ messages }) => {
        const last = messages.at(-1);
        return `What is ${last?.role === 'tool' ? last.content[0]?.output : 'nothing'}?`;
      },
    },
    {
      call: [
        { tool: 'add', input: ({ turns }) => ({ a: turns, b: 0 }) },
        { tool: 'add', input: { a: 'x' } },
      ],
    },
  ]);
  const agent = agentWith([], { model: echo, planner });
  const run = (steps: Steps) => runAgent(agent, { prompt: 'Go' }, memoryEnvironment({ steps }));
  const first = memorySteps();
  const whole = await run(first);
  const [sum, problem] = whole.output as [number, string];
  assert.equal(sum, 2);
  assert.match(problem, /not valid/);
  assert.deepEqual([whole.turns, whole.toolCalls], [3, 3]);
  const asked = first.history().find(({ name }) => name === 'model:2')?.outcome;
  assert.match(JSON.stringify(asked), /«What is 3\?»/);
  for (let length = 0; length <= first.history().length; length += 1) {
    const cut = first.history().slice(0, length);
    assert.deepEqual(await run(replayingSteps(cut, { taskId: first.taskId })), whole, `after ${length}`);
  }
});

test('the model has the tools where the script says so, and its last answer is the result', async () => {
  const model = scriptedModel({
    name: 'adder',
    reply: ({ messages, tools }) =>
      messages.at(-1)?.role === 'tool' || tools.length === 0 ? '{"sum":3}' : callTool('add', { a: 1, b: 2 }),
  });
  const planner = scripted([{ ask: 'Think.' }, { ask: 'Add.', tools: true }]);
  const agent = agentWith([], { model, planner, output: z.object({ sum: z.number() }) });
  const { output, turns } = await runAgent(agent, { prompt: 'Go' }, memoryEnvironment());
  assert.deepEqual([output, turns], [{ sum: 3 }, 3]);
});

test('turns without the model cost nothing, and count against the limits', async () => {
  const planner = scripted([
    { call: { tool: 'add', input: { a: 1, b: 2 } } },
    { call: { tool: 'add', input: { a: 1, b: 3 } } },
  ]);
  const agent = agentWith([], { planner, tools: { add } });
  const { usage, output } = await runAgent(agent, { prompt: 'Go' }, memoryEnvironment());
  assert.deepEqual([output, usage.inputTokens, usage.costMicroUsd], [4, 0, 0]);
  await assert.rejects(
    runAgent({ ...agent, limits: { turns: 1 } }, { prompt: 'Go' }, memoryEnvironment()),
    withCode('budget_exceeded'),
  );
});

test('a line that would do nothing, turn after turn, is refused', () => {
  assert.throws(() => scripted([{ call: [] }]), /call: must name a tool, or several$/);
});
