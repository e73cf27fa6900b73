import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { withCode } from '../../test/tester.ts';
import type { AgentDefinition } from '../agent.ts';
import { OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import { memorySteps } from '../memory-steps.ts';
import { callsOf, type Message, recordedUsageSchema, textOf } from '../message.ts';
import type { Model, ModelRequest } from '../model/model.ts';
import { callTool, type ScriptedReply, scriptedModel } from '../model/scripted/scripted-model.ts';
import { planExecute } from '../planner/plan-execute.ts';
import type { Steps } from '../steps.ts';
import { collectEvents, fakeClock, memoryEnvironment, replayingSteps } from '../testing.ts';
import { defineTool } from '../tool/define-tool.ts';
import { runAgent } from './run-agent.ts';

const contextTokens = 4_000;
const isSummaryRequest = ({ messages }: ModelRequest): boolean => {
  const last = messages.at(-1);
  return last?.role === 'user' && textOf(last).startsWith('[This is not from the user.]');
};

const read = defineTool({
  description: 'Reads a page',
  input: z.object({ page: z.number() }),
  annotations: { readOnlyHint: true },
  execute: ({ page }) => `page ${page}: ${'lorem ipsum dolor sit amet '.repeat(80)}`,
});

const lastPage = ({ messages }: ModelRequest): number | undefined =>
  messages
    .flatMap((message) => (message.role === 'assistant' ? callsOf(message) : []))
    .map((call) => (call.input as { page: number }).page)
    .at(-1);

interface Reader {
  agent: AgentDefinition;
  requests: ModelRequest[];
}

/** Reads so many pages, one per turn, and answers. `summarise` writes the n-th summary, from 1. */
function reader(
  pages: number,
  summarise: (n: number) => string | ScriptedReply = (n) => `summary ${n}`,
  definition: Partial<AgentDefinition> = {},
): Reader {
  const requests: ModelRequest[] = [];
  let summaries = 0;
  let page = 0;
  const model: Model = scriptedModel({
    name: 'reader',
    contextTokens,
    reply(request) {
      requests.push({ ...request, messages: [...request.messages] });
      if (isSummaryRequest(request)) {
        summaries += 1;
        return summarise(summaries);
      }
      page = 1 + (lastPage(request) ?? page);
      return page <= pages ? callTool('read', { page }, `call_${page}`) : 'done';
    },
  });
  return {
    agent: { name: 'reader', instructions: 'Read.', model, tools: { read }, ...definition },
    requests,
  };
}

const input = { prompt: 'Read it all' };
const turnsOf = ({ requests }: Reader) => requests.filter((request) => !isSummaryRequest(request));
const summariesOf = ({ requests }: Reader) => requests.filter(isSummaryRequest);
const bytes = (messages: readonly Message[]): string => JSON.stringify(messages);

describe('a conversation that grows past its share of the window', () => {
  it('is sent with a summary of its oldest messages, and stays within the window', async () => {
    const long = reader(40);
    const { events, onEvent } = collectEvents();
    const { output } = await runAgent(long.agent, input, memoryEnvironment({ onEvent }));
    assert.equal(output, 'done');
    assert.ok(summariesOf(long).length >= 3);
    for (const { messages } of long.requests) assert.ok(bytes(messages).length < contextTokens * 5);
    const [system, prompt, summary] = turnsOf(long).at(-1)?.messages ?? [];
    assert.equal(system?.role, 'system');
    assert.deepEqual(prompt, { role: 'user', content: [{ type: 'text', text: 'Read it all' }] });
    assert.match(summary?.role === 'user' ? textOf(summary) : '', /summary \d+$/);
    const compacted = events.filter(({ type }) => type === 'memory.compacted');
    assert.equal(compacted.length, summariesOf(long).length);
  });

  it('begins with the same bytes from one call to the next, and the summary is asked for behind them', async () => {
    const long = reader(20);
    await runAgent(long.agent, input, memoryEnvironment());
    let before: readonly Message[] = [];
    let compactions = 0;
    for (const request of long.requests) {
      if (isSummaryRequest(request)) {
        const beginning = request.messages.slice(0, -1);
        assert.ok(bytes(beginning) === bytes(before.slice(0, beginning.length)));
        compactions += 1;
      } else if (bytes(request.messages.slice(0, before.length)) !== bytes(before)) {
        assert.ok(bytes(request.messages.slice(0, 2)) === bytes(before.slice(0, 2)));
        compactions -= 1;
      }
      assert.deepEqual(request.tools, long.requests[0]?.tools);
      if (!isSummaryRequest(request)) before = request.messages;
    }
    assert.equal(compactions, 0);
  });

  it('never parts a call from its result', async () => {
    const long = reader(30);
    await runAgent(long.agent, input, memoryEnvironment());
    for (const { messages } of long.requests) {
      const open = new Set<string>();
      for (const message of messages) {
        if (message.role === 'assistant')
          for (const part of message.content) if (part.type === 'tool-call') open.add(part.callId);
        if (message.role === 'tool')
          for (const { callId } of message.content) assert.ok(open.delete(callId), callId);
      }
      assert.equal(open.size, 0);
    }
  });

  it('counts its summaries against tokens and budget', async () => {
    const long = reader(12);
    const steps = memorySteps();
    const { usage, turns } = await runAgent(long.agent, input, memoryEnvironment({ steps }));
    assert.equal(turns, 13);
    const used = steps
      .history()
      .flatMap(({ kind, outcome }) =>
        kind === 'llm' && outcome.ok
          ? [recordedUsageSchema.parse((outcome.value as { usage: Json }).usage)]
          : [],
      );
    const tokens = used.map(({ inputTokens, outputTokens }) => inputTokens + outputTokens);
    const total = tokens.reduce((sum, each) => sum + each);
    assert.equal(used.length, turns + summariesOf(long).length);
    assert.equal(usage.inputTokens + usage.outputTokens, total);
    const limits = { tokens: total - (tokens.at(-1) ?? 0) };
    const limited = reader(12, undefined, { limits });
    await assert.rejects(runAgent(limited.agent, input, memoryEnvironment()), withCode('budget_exceeded'));
  });

  it('is left whole when the agent says so and while it is short, and may be given another window', async () => {
    const whole = reader(12, undefined, { memory: { compaction: false } });
    await runAgent(whole.agent, input, memoryEnvironment());
    assert.equal(summariesOf(whole).length, 0);
    assert.equal(turnsOf(whole).at(-1)?.messages.length, 26);
    const short = reader(3);
    await runAgent(short.agent, input, memoryEnvironment());
    assert.equal(summariesOf(short).length, 0);
    const early = reader(6, undefined, { memory: { compaction: { contextTokens: 2_000 } } });
    await runAgent(early.agent, input, memoryEnvironment());
    assert.ok(summariesOf(early).length > 0);
  });

  it('is planned with as a whole: planners see what was said, not the summary', async () => {
    let turn = 0;
    const { agent } = reader(0);
    const requests: ModelRequest[] = [];
    const model = scriptedModel({
      name: 'planner',
      contextTokens,
      reply(request) {
        requests.push(request);
        if (isSummaryRequest(request)) return 'in short';
        turn += 1;
        if (turn === 1) return '{"plan": ["read", "write"]}';
        if (turn <= 9) return callTool('read', { page: turn }, `call_${turn}`);
        return turn === 10 ? 'read' : turn === 11 ? 'written' : 'the answer';
      },
    });
    const planning = { ...agent, model, planner: planExecute() };
    const { output } = await runAgent(planning, input, memoryEnvironment());
    assert.equal(output, 'the answer');
    assert.ok(requests.some(isSummaryRequest));
  });
});

describe('a run that is resumed after a compaction', () => {
  it('sends the same bytes as one that never stopped, wherever it stops', async () => {
    const whole = reader(9, () => 'summary 1');
    const steps = memorySteps({ taskId: 'task' });
    await runAgent(whole.agent, input, memoryEnvironment({ steps }));
    const history = steps.history();
    assert.ok(history.some(({ name }) => name.startsWith('compact:')));
    const last = turnsOf(whole).at(-1)?.messages ?? [];
    for (let length = 0; length < history.length; length += 1) {
      const again = reader(9, () => 'summary 1');
      const resumed = replayingSteps(history.slice(0, length), { taskId: 'task' });
      await runAgent(again.agent, input, memoryEnvironment({ steps: resumed }));
      const sent = turnsOf(again).at(-1)?.messages;
      assert.ok(sent !== undefined && bytes(sent) === bytes(last), `from ${length} steps`);
    }
  });

  it('uses as much, also where what is left is still more than starts a compaction', async () => {
    const tell = defineTool({
      description: 'and so on '.repeat(730),
      input: z.object({ words: z.number() }),
      execute: ({ words }) => 'word '.repeat(words),
    });
    const run = async (steps: Steps) => {
      let turn = steps.history().filter(({ name }) => name.startsWith('model:')).length;
      const model = scriptedModel({
        name: 'heavy',
        contextTokens,
        reply(request) {
          if (isSummaryRequest(request)) return 'summary';
          turn += 1;
          return turn <= 4 ? callTool('tell', { words: turn % 2 === 0 ? 900 : 450 }) : 'done';
        },
      });
      const agent: AgentDefinition = { name: 'heavy', instructions: 'Listen.', model, tools: { tell } };
      return await runAgent(agent, input, memoryEnvironment({ steps }));
    };
    const first = memorySteps({ taskId: 'task' });
    const { usage } = await run(first);
    const history = first.history();
    assert.ok(history.filter(({ name }) => name.startsWith('compact:')).length >= 2);
    for (let length = 0; length < history.length; length += 1) {
      const resumed = await run(replayingSteps(history.slice(0, length), { taskId: 'task' }));
      assert.deepEqual(resumed.usage, usage, `from ${length} steps`);
    }
  });
});

describe('a summary that fails', () => {
  const refusing = (): never => {
    throw new OpspawnError('model_rejected', 'no');
  };

  it('does not end the run while the conversation still fits', async () => {
    const failing = reader(6, refusing);
    const { output } = await runAgent(failing.agent, input, memoryEnvironment());
    assert.equal(output, 'done');
    assert.equal(summariesOf(failing).length, 1);
  });

  it('leaves the oldest messages out, and says so, when it does not fit any more', async () => {
    const failing = reader(30, refusing);
    const steps = memorySteps();
    const { output } = await runAgent(failing.agent, input, memoryEnvironment({ steps }));
    assert.equal(output, 'done');
    const last = turnsOf(failing).at(-1)?.messages ?? [];
    assert.match(last[2]?.role === 'user' ? textOf(last[2]) : '', /left out/);
    assert.ok(bytes(last).length < contextTokens * 5);
    assert.ok(steps.history().some(({ name }) => name.startsWith('window:')));
  });

  it('is not waited for beyond the wall time of the run', { timeout: 20_000 }, async () => {
    const clock = fakeClock(); // it stands still: the pause before the next try never ends
    const busy = (): never => {
      throw new OpspawnError('model_failed', 'busy');
    };
    const failing = reader(6, busy, { limits: { wallTimeMs: 500 } });
    const run = runAgent(failing.agent, input, memoryEnvironment({ stepOptions: { clock } }));
    await assert.rejects(run, withCode('budget_exceeded'));
    assert.equal(summariesOf(failing).length, 1);
  });

  it('is cut in the middle where it is longer than it may be, and does not fill the window', async () => {
    const long = reader(12, () => `first ${'word '.repeat(3 * contextTokens)} last`);
    const { output } = await runAgent(long.agent, input, memoryEnvironment());
    assert.equal(output, 'done');
    const { messages } = turnsOf(long).at(-1) ?? { messages: [] };
    assert.match(bytes(messages), /first word .*characters left out.* word +last/);
    for (const sent of turnsOf(long)) assert.ok(bytes(sent.messages).length < contextTokens * 5);
    assert.ok(summariesOf(long).length <= 4);
  });

  it('because the model called a tool instead is asked for again without tools', async () => {
    const confused = reader(8, (n) => (n === 1 ? callTool('read', { page: 0 }) : 'in short'));
    const options = { stepOptions: { retry: { initialDelayMs: 0 } } };
    await runAgent(confused.agent, input, memoryEnvironment(options));
    const [first, second] = summariesOf(confused);
    assert.equal(first?.toolChoice, undefined);
    assert.equal(second?.toolChoice, 'none');
  });
});

describe('a result that is larger than the window', () => {
  it('is told to the model in short, within a summary', async () => {
    const huge = reader(1);
    const tool = { ...read, execute: () => 'x y z '.repeat(20_000) };
    const { output } = await runAgent({ ...huge.agent, tools: { read: tool } }, input, memoryEnvironment());
    assert.equal(output, 'done');
    const [request] = summariesOf(huge);
    assert.match(bytes(request?.messages ?? []), /characters left out/);
    assert.ok(bytes(request?.messages ?? []).length < contextTokens * 4);
  });
});
