import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { add, agentWith } from '../../test/tester.ts';
import type { AgentDefinition } from '../agent.ts';
import type { ModelRequest } from '../model/model.ts';
import { type ScriptedStep, scriptedModel } from '../model/scripted/scripted-model.ts';
import { runAgent } from '../run/run-agent.ts';
import { callTool, collectEvents, memoryEnvironment, promptOf } from '../testing.ts';
import { defineTool } from '../tool/define-tool.ts';
import { planExecute } from './plan-execute.ts';

const planOf = (...plan: string[]): string => JSON.stringify({ plan });
const breaks = defineTool({
  description: 'Breaks',
  input: z.object({}),
  execute: () => {
    throw new Error('broken');
  },
});

async function run(steps: readonly ScriptedStep[], definition: Partial<AgentDefinition> = {}) {
  const requests: ModelRequest[] = [];
  const inner = scriptedModel({ name: 'planner', steps });
  const model = {
    ...inner,
    call: (request: ModelRequest) => {
      requests.push(request);
      return inner.call(request);
    },
  };
  const events = collectEvents();
  const agent = agentWith([], { model, planner: planExecute(), tools: { add, breaks }, ...definition });
  const { output } = await runAgent(
    agent,
    { prompt: 'Add up' },
    memoryEnvironment({ onEvent: events.onEvent }),
  );
  const plans = events
    .of('plan.updated')
    .map(({ steps: plan }) => plan.map(({ text, status }) => `${text}: ${status}`));
  return { output, plans, requests, asked: requests.map(promptOf) };
}

describe('the planner plan-execute', () => {
  it('has a plan written, carries out its steps with tools, and answers', async () => {
    const { output, plans, requests, asked } = await run([
      planOf('add', 'double'),
      callTool('add', { a: 1, b: 2 }),
      'three',
      'six',
      'It is six.',
    ]);
    assert.equal(output, 'It is six.');
    assert.deepEqual(plans, [
      [],
      ['add: active', 'double: pending'],
      ['add: done', 'double: active'],
      ['add: done', 'double: done'],
    ]);
    assert.deepEqual(
      asked.map((text) => text.split(/[:,\n]/)[0]),
      [
        'Write a plan of the fewest steps that come to what was asked for',
        ...['Carry out step 1', 'Carry out step 1', 'Carry out step 2'],
        'The plan is carried out. Give the final answer to what was asked for.',
      ],
    );
    assert.deepEqual(
      requests.map(({ tools }) => tools.length),
      [0, 2, 2, 2, 0],
    );
  });

  it('asks with a conversation whose beginning never changes', async () => {
    const { requests } = await run([planOf('a', 'b'), 'x', 'REVISE: no', planOf('c'), 'y', 'z']);
    for (const [index, { messages }] of requests.entries()) {
      if (index === 0) continue;
      const before = requests[index - 1]!.messages;
      assert.deepEqual(messages.slice(0, before.length), before);
    }
  });

  it('has what is left revised when the model says so, and keeps what was done', async () => {
    const { output, plans } = await run([
      planOf('a', 'b', 'c'),
      'x',
      'REVISE: b is closed',
      planOf('d'),
      'y',
      'end',
    ]);
    assert.equal(output, 'end');
    assert.deepEqual(plans.slice(-3), [
      ['a: done', 'b: failed', 'c: pending'],
      ['a: done', 'b: failed', 'd: active'],
      ['a: done', 'b: failed', 'd: done'],
    ]);
  });

  it('has it revised when the last tool calls of a step all failed, whatever the model says of it', async () => {
    const { plans } = await run([planOf('a'), callTool('breaks'), 'Fine.', planOf(), 'end']);
    assert.deepEqual(plans.at(-1), ['a: failed']);
  });

  it('goes on with the plan that there is after so many revisions', async () => {
    const { output, plans } = await run([planOf('a', 'b'), 'REVISE', planOf('b'), 'REVISE', 'end'], {
      planner: planExecute({ maxRevisions: 1 }),
    });
    assert.equal(output, 'end');
    assert.deepEqual(plans.at(-1), ['a: failed', 'b: failed']);
  });

  it('takes a list, or anything else as one step, from models that do not keep to the form', async () => {
    const first = async (plan: string) => (await run([plan, ...Array(4).fill('x')])).plans[1];
    assert.deepEqual(await first('Plan:\n1. add\n2) double\n'), ['add: active', 'double: pending']);
    assert.deepEqual(await first('Just add.'), ['Just add.: active']);
    assert.deepEqual(await first('```json\n{"plan": ["add"]}\n```'), ['add: active']);
    assert.deepEqual(await first('["add", "double"]'), ['add: active', 'double: pending']);
    assert.deepEqual(await first('{"plan": ["", "add", " "]}'), ['add: active']);
    assert.deepEqual(await first('{"plan": "add"}'), ['{"plan": "add"}: active']);
  });

  it('asks only the final answer for the output schema, and has it mended', async () => {
    const { output, requests } = await run([planOf('a'), 'x', 'six', '{"sum":6}'], {
      output: z.object({ sum: z.number() }),
    });
    assert.deepEqual(output, { sum: 6 });
    assert.deepEqual(
      requests.map(({ outputSchema }) =>
        Object.keys((outputSchema as { properties?: object })?.properties ?? {}),
      ),
      [['plan'], [], ['sum'], ['sum']],
    );
  });

  it('plans anew for each prompt of a session', async () => {
    const environment = memoryEnvironment();
    const steps = [planOf('a'), 'x', 'one', planOf('b'), 'y', 'two'];
    const agent = agentWith(steps, { planner: planExecute() });
    for (const expected of ['one', 'two']) {
      const { output } = await runAgent(
        agent,
        { prompt: 'Go', sessionId: 's' },
        memoryEnvironment({ memory: environment.memory }),
      );
      assert.equal(output, expected);
    }
  });
});
