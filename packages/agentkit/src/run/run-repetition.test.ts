import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { add, agentWith, withCode } from '../../test/tester.ts';
import type { AgentDefinition } from '../agent.ts';
import { checkAgent } from '../agent-schema.ts';
import { OpspawnError } from '../errors.ts';
import { memorySteps } from '../memory-steps.ts';
import type { ScriptedStep } from '../model/scripted/scripted-model.ts';
import type { Planner } from '../planner/planner.ts';
import type { StepRecord } from '../steps.ts';
import { callTool, callTools, memoryEnvironment, replayingSteps } from '../testing.ts';
import { defineTool } from '../tool/define-tool.ts';
import { runAgent } from './run-agent.ts';

const failures: string[] = [];
const fails = defineTool({
  description: 'Fails, with another message each time',
  input: z.object({ n: z.number() }),
  execute: () => {
    throw new Error(`failure ${failures.push('one more')}`);
  },
});
const written: string[] = [];
const write = defineTool({
  description: 'Writes',
  input: z.object({ text: z.string() }),
  execute: ({ text }) => written.push(text),
});
const look = defineTool({ description: 'Looks', input: z.object({}), execute: () => 'unchanged' });
const tools = { add, fails, write, look };

const one = callTool('add', { a: 1, b: 1 });
const two = callTool('add', { a: 2, b: 2 });

async function endOf(
  steps: readonly ScriptedStep[],
  definition: Partial<AgentDefinition> = {},
  history: readonly StepRecord[] = [],
) {
  const running = history.length === 0 ? memorySteps() : replayingSteps(history);
  const agent = agentWith(steps, { tools, ...definition });
  const end = await runAgent(agent, { prompt: 'go' }, memoryEnvironment({ steps: running })).then(
    ({ output }) => ({ output, code: undefined, details: {} as Record<string, unknown>, message: '' }),
    (thrown: unknown) => {
      assert.ok(thrown instanceof OpspawnError, String(thrown));
      return { output: undefined, code: thrown.code, details: thrown.details, message: thrown.message };
    },
  );
  return { ...end, history: running.history() };
}

describe('a run that goes in circles ends with no_progress', () => {
  it('when the same call had the same result three times, naming call and times', async () => {
    const { code, details, history } = await endOf([one, one, one, one, 'never']);
    assert.equal(code, 'no_progress');
    assert.deepEqual(details, { tool: 'add', input: '{"a":1,"b":1}', times: 3, failed: false, result: '2' });
    assert.equal(history.length, 6);
  });

  it('when the same call failed three times, whatever it said', async () => {
    const failing = callTool('fails', { n: 1 });
    const { code, details } = await endOf([failing, failing, failing, 'never']);
    assert.deepEqual([code, details.times, details.failed], ['no_progress', 3, true]);
  });

  it('when several calls take turns', async () => {
    const { code, history } = await endOf([one, two, one, two, one, two, one, two, 'never']);
    assert.equal(code, 'no_progress');
    assert.equal(history.filter(({ kind }) => kind === 'llm').length, 6);
  });

  it('when ten turns in a row brought nothing new', async () => {
    const numbers = [1, 2, 3, 4, 5, 6];
    const round = numbers.map((a) => callTool('add', { a, b: 0 }));
    const { code, details, history } = await endOf([...round, ...round, ...round]);
    assert.deepEqual([code, details], ['no_progress', { turns: 10 }]);
    assert.equal(history.filter(({ kind }) => kind === 'llm').length, 16);
  });

  it('when a planner asks on and the model only repeats itself', async () => {
    const planner: Planner = { name: 'insists', next: ({ messages }) => ({ do: 'call_model', messages }) };
    const { code, details } = await endOf(
      Array.from({ length: 20 }, () => 'As I said.'),
      { planner },
    );
    assert.deepEqual([code, details], ['no_progress', { turns: 10 }]);
  });

  it('again, when it goes on from what is recorded, and not with higher limits', async () => {
    const steps = [one, one, one, 'done'];
    const { history } = await endOf(steps);
    for (let length = 1; length <= history.length; length += 1) {
      const resumed = await endOf(steps, {}, history.slice(0, length));
      assert.deepEqual([resumed.code, resumed.details.times], ['no_progress', 3], `after ${length}`);
    }
    assert.equal((await endOf(steps, { limits: { repeatedCalls: 4 } }, history)).output, 'done');
  });
});

describe('a run that comes on does not end', () => {
  it('when it looks again after each change', async () => {
    const rounds = [1, 2, 3, 4, 5].flatMap((n) => [callTool('write', { text: `${n}` }), callTool('look')]);
    assert.equal((await endOf([...rounds, 'done'])).output, 'done');
  });

  it('when it makes the same call several times in one turn', async () => {
    const call = { tool: 'add', input: { a: 1, b: 1 } };
    assert.equal((await endOf([callTools(call, call, call, call), 'done'])).output, 'done');
  });

  it('and limits that could not be meant are refused', async () => {
    for (const limits of [{ repeatedCalls: 1 }, { idleTurns: 0 }])
      assert.throws(() => checkAgent(agentWith([], { limits })), withCode('config_invalid'));
  });
});

describe('a run that is to pause in circles', () => {
  const pausing: Partial<AgentDefinition> = { limits: { noProgress: 'pause' } };

  it('records the evidence, and counts from there when it goes on', async () => {
    const steps = [one, one, one, one, one, one, 'never'];
    const first = await endOf(steps, pausing);
    assert.deepEqual([first.code, first.details.times, first.details.pause], ['no_progress', 3, true]);
    assert.equal(first.history.at(-1)?.name, 'no_progress:3');
    const second = await endOf(steps, pausing, first.history);
    assert.deepEqual([second.code, second.details.times], ['no_progress', 3]);
    assert.equal(second.history.at(-1)?.name, 'no_progress:6');
    const third = await endOf([one, one, one, 'better'], pausing, first.history);
    assert.equal(third.output, 'better');
  });
});
