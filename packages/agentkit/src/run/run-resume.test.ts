import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { add, agentWith, sayResults } from '../../test/tester.ts';
import type { AgentDefinition } from '../agent.ts';
import { BudgetExceededError } from '../errors.ts';
import { type MemoryStepsOptions, memorySteps } from '../memory-steps.ts';
import type { Message } from '../message.ts';
import { planExecute } from '../planner/plan-execute.ts';
import type { Planner } from '../planner/planner.ts';
import { react } from '../planner/react.ts';
import { secretsFrom } from '../security/secrets.ts';
import { createSecurityManager } from '../security/security-rules.ts';
import type { StepRecord, Steps } from '../steps.ts';
import {
  callTool,
  callTools,
  collectEvents,
  type MemoryEnvironmentOptions,
  memoryEnvironment,
  replayingSteps,
} from '../testing.ts';
import { defineTool } from '../tool/define-tool.ts';
import type { InlineTool, Tool } from '../tool/tool.ts';
import { runAgent } from './run-agent.ts';
import type { RunInput } from './run-environment.ts';

const boom = defineTool({
  description: 'Fails',
  input: z.object({}),
  execute: () => {
    throw new Error('boom');
  },
});

const asks = { security: createSecurityManager({ rules: [{ tool: 'add', decision: 'ask' }] }) };
const taskId = '0192f0c1-0000-7000-8000-000000000000';

/** Runs of every shape: their histories are cut off everywhere. */
const programs: Record<
  string,
  { agent: AgentDefinition; input?: Partial<RunInput>; given?: MemoryEnvironmentOptions }
> = {
  'three turns': {
    agent: agentWith([callTool('add', { a: 1, b: 2 }), callTool('add', { a: 3, b: 4 }), sayResults]),
  },
  'parallel calls, some of which fail or are refused': {
    agent: agentWith(
      [
        callTools(
          { tool: 'add', input: { a: 1, b: 2 } },
          { tool: 'boom', input: {} },
          { tool: 'unknown', input: {} },
          { tool: 'add', input: { a: 'x' } },
        ),
        sayResults,
      ],
      { tools: { add, boom } },
    ),
  },
  'one call id again and again': {
    agent: agentWith([
      callTools(
        { tool: 'add', input: { a: 1, b: 2 }, callId: 'x' },
        { tool: 'add', input: { a: 3, b: 4 }, callId: 'x' },
      ),
      callTool('add', { a: 5, b: 6 }, 'x'),
      sayResults,
    ]),
  },
  'approvals, granted and denied': {
    agent: agentWith([
      callTools({ tool: 'add', input: { a: 1, b: 2 } }, { tool: 'add', input: { a: 13, b: 4 } }),
      sayResults,
    ]),
    given: asks,
  },
  'a repaired answer': {
    agent: agentWith([callTool('add', { a: 1, b: 2 }), 'three', '{"sum":3}'], {
      output: z.object({ sum: z.number() }),
    }),
  },
  'a plan that is revised': {
    agent: agentWith(
      [
        '{"plan":["add","subtract"]}',
        callTool('add', { a: 1, b: 2 }),
        'Three.',
        callTool('unknown'),
        'It does not work.',
        '{"plan":["say"]}',
        'Done.',
        'It is 3.',
      ],
      { planner: planExecute() },
    ),
  },
  'a session': {
    agent: agentWith([callTool('add', { a: 1, b: 2 }), sayResults, 'never']),
    input: { sessionId: 'conversation' },
  },
};

const stepOptions: MemoryStepsOptions = {
  taskId,
  onApproval: ({ payload }) => ({ approved: !JSON.stringify(payload).includes('13'), by: 'Ada' }),
};

async function end(name: string, steps: Steps) {
  const { agent, input, given } = programs[name]!;
  let conversation: readonly Message[] = [];
  let folded: { turns: number; toolCalls: number } | undefined;
  const planner: Planner = {
    name: 'watched',
    next: (state) => {
      folded ??= { turns: state.turns, toolCalls: state.toolCalls };
      conversation = [...state.messages];
      return (agent.planner ?? react).next(state);
    },
  };
  const environment = memoryEnvironment({ ...given, steps });
  const result = await runAgent({ ...agent, planner }, { prompt: 'go', ...input }, environment);
  return { ended: { ...result, conversation }, folded, history: steps.history() };
}

const namesOf = (history: readonly StepRecord[]): string[] => history.map(({ name }) => name).sort();

const numberOf = (history: readonly StepRecord[], kind: StepRecord['kind']): number =>
  history.filter((record) => record.kind === kind).length;

/** The subsets of a history that can be recorded: a turn's steps in any order, nothing without what came before it. */
function* cutsOf(history: readonly StepRecord[]): Generator<readonly StepRecord[]> {
  for (let length = 0; length <= history.length; length += 1) {
    const prefix = history.slice(0, length);
    yield prefix;
    const turnStart = prefix.findLastIndex(({ kind }) => kind === 'llm') + 1;
    for (let left = turnStart; left < length - 1; left += 1) {
      if (prefix[left]?.kind === 'tool') yield prefix.filter((_, index) => index !== left);
    }
  }
}

describe('a run that goes on from what is recorded', () => {
  for (const name of Object.keys(programs)) {
    it(`${name}: ends the same wherever it was cut off, and runs nothing recorded again`, async () => {
      const whole = await end(name, memorySteps(stepOptions));
      for (const cut of cutsOf(whole.history)) {
        const resumed = await end(name, replayingSteps(cut, stepOptions));
        assert.deepEqual(resumed.ended, whole.ended, `after ${namesOf(cut)}`);
        assert.deepEqual(resumed.folded, { turns: numberOf(cut, 'llm'), toolCalls: numberOf(cut, 'tool') });
        assert.deepEqual(namesOf(resumed.history), namesOf(whole.history), `after ${namesOf(cut)}`);
      }
    });
  }

  it('runs a tool once in all, wherever it was cut off', async () => {
    const calls: number[] = [];
    const note = defineTool({
      description: 'Notes',
      input: z.object({ n: z.int() }),
      execute: ({ n }) => calls.push(n),
    });
    const steps = [1, 2, 3].map((n) =>
      callTools(...[n, n * 10].map((m) => ({ tool: 'note', input: { n: m } }))),
    );
    const agent = agentWith([...steps, 'done'], { tools: { note } });
    const first = memorySteps(stepOptions);
    await runAgent(agent, { prompt: 'go' }, memoryEnvironment({ steps: first }));
    for (const cut of cutsOf(first.history())) {
      calls.length = 0;
      await runAgent(agent, { prompt: 'go' }, memoryEnvironment({ steps: replayingSteps(cut, stepOptions) }));
      assert.equal(calls.length, 6 - numberOf(cut, 'tool'));
    }
  });

  it('takes back what was streamed of the answer that was cut off, and nothing else', async () => {
    const agent = agentWith([callTool('add', { a: 1, b: 2 }), 'three']);
    const first = memorySteps(stepOptions);
    await runAgent(agent, { prompt: 'go' }, memoryEnvironment({ steps: first }));
    const { of, onEvent } = collectEvents();
    const steps = replayingSteps(first.history().slice(0, 2), stepOptions);
    await runAgent(agent, { prompt: 'go' }, memoryEnvironment({ steps, onEvent }));
    assert.deepEqual(
      of('step.reset').map(({ step }) => step),
      ['model:2'],
    );
    assert.deepEqual(
      of('turn.started').map(({ turn }) => turn),
      [2],
    );
  });

  it('counts the turns, calls, tokens and time that were used before against the limits', async () => {
    const agent = agentWith([callTool('add', { a: 1, b: 2 }), callTool('add', { a: 1, b: 2 }), 'x']);
    const first = memorySteps(stepOptions);
    const { usage } = await runAgent(agent, { prompt: 'go' }, memoryEnvironment({ steps: first }));
    const tokens = usage.inputTokens + usage.outputTokens;
    const cut = first.history().slice(0, 4);
    const late = cut.map((record, index) => ({ ...record, finishedAt: record.startedAt + 1000 * index }));
    for (const limits of [{ turns: 2 }, { tokens: Math.floor(tokens / 4) }, { wallTimeMs: 1000 }]) {
      const steps = replayingSteps(late, stepOptions);
      await assert.rejects(
        runAgent({ ...agent, limits }, { prompt: 'go' }, memoryEnvironment({ steps })),
        (thrown) => thrown instanceof BudgetExceededError && thrown.details.limit === Object.keys(limits)[0],
      );
      assert.equal(steps.history().length, 4);
    }
  });

  it('records of a turn only what does not go without saying, and reads it whole', async () => {
    const agent = agentWith([callTool('add', { a: 1, b: 2 }), 'x']);
    const first = memorySteps(stepOptions);
    const { usage } = await runAgent(agent, { prompt: 'go' }, memoryEnvironment({ steps: first }));
    const [turn] = first.history();
    assert.deepEqual(turn?.outcome.ok && Object.keys(turn.outcome.value as object), [
      'message',
      'usage',
      'model',
    ]);
    assert.ok(!JSON.stringify(turn).includes('cachedInputTokens'));
    const steps = replayingSteps(first.history(), stepOptions);
    const resumed = await runAgent(agent, { prompt: 'go' }, memoryEnvironment({ steps }));
    assert.deepEqual(resumed.usage, usage);
    assert.equal(resumed.usage.cachedInputTokens, 0);
  });

  it('settles the last turn again, whose settling may have been lost', async () => {
    const agent = agentWith([callTool('add', { a: 1, b: 2 }), 'x']);
    const first = memorySteps(stepOptions);
    await runAgent(agent, { prompt: 'go' }, memoryEnvironment({ steps: first }));
    const steps = replayingSteps(first.history().slice(0, 2), stepOptions);
    const settled: string[] = [];
    const { budget } = steps;
    const watched = {
      ...steps,
      budget: {
        ...budget,
        settle: (step: string) => {
          settled.push(step);
          return Promise.resolve();
        },
      },
    };
    await runAgent(agent, { prompt: 'go' }, memoryEnvironment({ steps: watched }));
    assert.deepEqual(settled, ['model:1', 'model:2']);
  });

  it('asks again when the approved tool is another one by then', async () => {
    const agentWithTool = (part: Partial<InlineTool<never>>) =>
      agentWith([callTool('add', { a: 1, b: 2 }), sayResults], {
        tools: { add: { ...add, ...part } as Tool },
      });
    const secrets = secretsFrom({ KEY: 'hunter2', OTHER: 'hunter3' });
    const first = memorySteps(stepOptions);
    const environment = { ...asks, secrets };
    const begun = agentWithTool({ secrets: ['KEY'] });
    await runAgent(begun, { prompt: 'go' }, memoryEnvironment({ ...environment, steps: first }));
    const approved = first.history().slice(0, 2);
    assert.equal(approved.at(-1)?.kind, 'approval');
    const onApproval = () => ({ approved: false, by: 'Eve' });
    const resume = async (part: Partial<InlineTool<never>>) => {
      const steps = replayingSteps(approved, { taskId, onApproval });
      const given = memoryEnvironment({ ...environment, steps });
      return (await runAgent(agentWithTool(part), { prompt: 'go' }, given)).output;
    };
    assert.equal(await resume({ secrets: ['KEY'] }), '3');
    assert.equal(await resume({ secrets: ['KEY'], description: 'Adds and tells' }), 'error "Denied by Eve"');
    assert.equal(await resume({ secrets: ['OTHER', 'KEY'] }), 'error "Denied by Eve"');
  });
});
