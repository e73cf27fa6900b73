import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { add } from '../test/tester.ts';
import type { AgentDefinition } from './agent.ts';
import { defineAgent } from './define-agent.ts';
import { OpspawnError } from './errors.ts';
import type { AgentEvent } from './event.ts';
import { scriptedModel } from './model/scripted/scripted-model.ts';
import { callTool } from './testing.ts';
import { defineTool } from './tool/define-tool.ts';

const said = (...steps: (string | ReturnType<typeof callTool>)[]) => scriptedModel({ name: 'said', steps });

function problemsOf(definition: unknown): string {
  try {
    defineAgent(definition as AgentDefinition);
  } catch (thrown) {
    assert.ok(thrown instanceof OpspawnError && thrown.code === 'config_invalid');
    return thrown.message;
  }
  return assert.fail('it was accepted');
}

// @ts-expect-error: a misspelt key is an error of types too
const misspelt = () => defineAgent({ name: 'good', instructions: 'Be good.', tols: {} });

describe('defineAgent', () => {
  it('refuses a misspelt key', () => {
    assert.throws(misspelt, /tols: is not known/);
  });

  const good = { name: 'good', instructions: 'Be good.' };

  it('names the path of every problem, misspelt keys included', () => {
    const problems = problemsOf({
      ...good,
      instruction: 'x',
      limits: { turn: 1, tokens: -1 },
      tools: {
        add: { ...add, timeout: 1 },
        'not a name': add,
        broken: { description: 'x', input: z.object({}) },
      },
      model: 'gpt',
      mcp: { server: ['a'] },
      planner: {},
    });
    for (const path of [
      /^- instruction: is not known/m,
      /^- limits\.turn: is not known/m,
      /^- limits\.tokens: /m,
      /^- tools\.add\.timeout: is not known/m,
      /^- tools\.not a name: .*1 to 64/m,
      /^- tools\.broken: needs execute/m,
      /^- model: must be provider\/model/m,
      /^- mcp\.server: is not known/m,
      /^- planner: must be an object with name, next/m,
    ]) {
      assert.match(problems, path);
    }
  });

  it('refuses what is no definition at all', () => {
    for (const definition of [undefined, null, 'agent', [], { ...good, name: 'No Name' }, { name: 'x' }]) {
      problemsOf(definition);
    }
  });

  it('takes every part that an agent can have', () => {
    defineAgent({
      ...good,
      version: '2',
      description: 'A good one',
      model: said('x'),
      tools: { add },
      mcp: { servers: ['files'], as: 'proxy', allow: ['files__read'] },
      planner: { name: 'own', next: () => ({ do: 'finish', output: '' }) },
      security: { decide: () => ({ decision: 'allow' }), redact: (value) => value },
      limits: { turns: 1, tokens: 1, wallTimeMs: 1, toolCalls: 1, costMicroUsd: 1 },
      output: z.object({}),
    });
  });

  it('runs alone, with nothing but a model', async () => {
    const agent = defineAgent({
      ...good,
      model: said(callTool('add', { a: 20, b: 22 }), 'It is 42.'),
      tools: { add },
    });
    const { output, turns } = await agent.run('How much is it?');
    const text: string = output;
    assert.equal(text, 'It is 42.');
    assert.equal(turns, 2);
  });

  it('gives the type of the output schema', async () => {
    const agent = defineAgent({ ...good, model: said('{"sum":42}'), output: z.object({ sum: z.number() }) });
    const { output } = await agent.run('x');
    const sum: number = output.sum;
    assert.equal(sum, 42);
  });

  it('keeps sessions between runs', async () => {
    const model = scriptedModel({ name: 'count', reply: ({ messages }) => String(messages.length) });
    const agent = defineAgent({ ...good, model });
    assert.equal((await agent.run('a', { sessionId: 's' })).output, '2');
    assert.equal((await agent.run('b', { sessionId: 's' })).output, '4');
    assert.equal((await agent.run('c')).output, '2');
  });

  it('says which host is missing for MCP', async () => {
    for (const agent of [
      defineAgent({ ...good, model: said('x'), mcp: { servers: ['files'] } }),
      defineAgent({ ...good, model: said('x') }),
    ]) {
      await assert.rejects(agent.run('x', { injectMcpProxy: true }), /MCP/);
    }
  });

  it('stops at a signal, also one that was there before', async () => {
    const agent = defineAgent({ ...good, model: said('x') });
    const reason = new OpspawnError('lease_lost', 'taken over');
    await assert.rejects(agent.run('x', { signal: AbortSignal.abort(reason) }), { code: 'lease_lost' });
    await assert.rejects(agent.run('x', { signal: AbortSignal.abort() }), { code: 'cancelled' });
  });

  it('aborts what still runs when the run ends', async () => {
    let aborted = false;
    const slow = defineTool({
      description: 'Slow',
      input: z.object({}),
      execute: (_, { signal }) =>
        new Promise(() => {
          signal.addEventListener('abort', () => {
            aborted = true;
          });
        }),
    });
    const unanswerable = { ...slow, approval: 'always' as const };
    const model = scriptedModel({
      name: 'both',
      steps: [{ calls: ['slow', 'unanswerable'].map((tool) => ({ tool, input: {} })) }],
    });
    const agent = defineAgent({ ...good, model, tools: { slow, unanswerable } });
    await assert.rejects(agent.run('x'), { code: 'config_invalid' });
    assert.equal(aborted, true);
  });
});

describe('stream', () => {
  const definition = { name: 'streamer', instructions: 'Stream.' };

  it('gives every event in order, and the result', async () => {
    const stream = defineAgent({ ...definition, model: said('one two') }).stream('x');
    const events: AgentEvent[] = [];
    for await (const event of stream) events.push(event);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['run.started', 'turn.started', 'text.delta', 'text.delta', 'model.finished', 'run.finished'],
    );
    assert.equal((await stream.result).output, 'one two');
  });

  it('ends with run.failed, and only who asks for the result gets the error', async () => {
    const stream = defineAgent({ ...definition, model: said() }).stream('x');
    const events: AgentEvent[] = [];
    for await (const event of stream) events.push(event);
    assert.equal(events.at(-1)?.type, 'run.failed');
    await assert.rejects(stream.result, { code: 'model_rejected' });
  });

  it('ends with a code also when a function of the caller fails', async () => {
    const careful = { ...add, approval: 'always' as const };
    const steps = [callTool('add', { a: 1, b: 2 }), 'never'];
    const agent = defineAgent({ ...definition, tools: { add: careful }, model: said(...steps) });
    const onApproval = () => Promise.reject(new Error('the office is closed'));
    await assert.rejects(agent.run('x', { onApproval }), {
      name: 'OpspawnError',
      code: 'internal',
      message: 'the office is closed',
    });
  });

  it('goes on when the reader stops reading, and ends at the signal', async () => {
    const finished = defineAgent({ ...definition, model: said('x') }).stream('x');
    for await (const _ of finished) break;
    assert.equal((await finished.result).output, 'x');

    const stopping = new AbortController();
    const hanging = scriptedModel({ name: 'hangs', reply: () => new Promise(() => {}) });
    const stopped = defineAgent({ ...definition, model: hanging }).stream('x', { signal: stopping.signal });
    for await (const { type } of stopped) if (type === 'turn.started') stopping.abort();
    await assert.rejects(stopped.result, { code: 'cancelled' });
  });
});
