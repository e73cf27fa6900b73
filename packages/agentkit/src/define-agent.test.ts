import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { z } from 'zod';
import { add } from '../test/tester.ts';
import type { AgentDefinition } from './agent.ts';
import { defineAgent } from './define-agent.ts';
import { OpspawnError } from './errors.ts';
import type { AgentEvent } from './event.ts';
import type { Json } from './json.ts';
import { scriptedModel } from './model/scripted/scripted-model.ts';
import type { RunOptions } from './run/run-here.ts';
import { secretsFrom } from './security/secrets.ts';
import { callTool, say } from './testing.ts';
import { delegate } from './tool/builtin/delegate.ts';
import { defineTool } from './tool/define-tool.ts';
import type { StandardSchemaV1 } from './tool/standard-schema.ts';
import type { Tool } from './tool/tool.ts';

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

/** A schema of a vendor that cannot say its JSON Schema. */
const silent: StandardSchemaV1<unknown, { n: number }> = {
  '~standard': {
    version: 1,
    vendor: 'own',
    validate: (value) => ({ value: { n: (value as { n: number }).n + 1 } }),
  },
};

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

  it('refuses parts that lack what makes them one, saying what that is', () => {
    const said = { description: 'd', input: z.object({}) };
    const tool = { ...said, execute: () => 1 };
    const outside = { ...said, isolation: 'process', module: new URL('file:///tool.js') };
    const asking = { ...said, ask: () => ({ kind: 'question', prompt: 'x' }) };
    const bad: [more: object, problem: RegExp][] = [
      [{ tools: [tool] }, /^- tools: /m],
      [{ tools: { it: { ...tool, sandbox: {} } } }, /^- tools\.it: has sandbox, which needs isolation/m],
      [{ tools: { it: { ...tool, memoryMb: 5 } } }, /^- tools\.it\.memoryMb: needs isolation: /m],
      [{ tools: { it: { ...outside, memory: true } } }, /^- tools\.it\.memory: .* only module runs/m],
      [{ tools: { it: { ...outside, execute: () => 1 } } }, /^- tools\.it\.execute: .* only module runs/m],
      [{ tools: { it: { ...asking, timeoutMs: 5 } } }, /^- tools\.it\.timeoutMs: .* runs no code/m],
      [{ tools: { it: { ...asking, execute: () => 1 } } }, /^- tools\.it\.execute: .* runs no code/m],
      [
        { tools: { it: { ...tool, input: { a: 'string' } } } },
        /^- tools\.it\.input: must be a Standard Sch/m,
      ],
      [{ tools: { it: { ...tool, input: z.object({ at: z.date() }) } } }, /^- tools\.it\.input: .*[Dd]ate/m],
      [{ model: 5 }, /^- model: must be provider\/model, a model, or a list of these/m],
      [{ model: { id: 'x', call: 1 } }, /^- model: /m],
      [{ planner: { name: 'x', next: 1 } }, /^- planner: must be an object with name, next/m],
      [{ security: { decide: 1, redact: 2 } }, /^- security: /m],
      [{ maxSteps: '5' }, /^- maxSteps: is not known/m],
      [{ output: { type: 'object' } }, /^- output: must be a Standard Schema or \{ jsonSchema \}/m],
      [{ output: z.object({ at: z.date() }) }, /^- output: .*[Dd]ate/m],
      [{ output: silent }, /^- output: A schema of own does not say .* give \{ jsonSchema, validate \}/m],
    ];
    for (const [more, problem] of bad) assert.match(problemsOf({ ...good, ...more }), problem);
  });

  it('refuses options of a run that are not known or not right, and says where', async () => {
    const agent = defineAgent({ ...good, model: said('x') });
    const bad: [options: unknown, problem: RegExp][] = [
      [null, /expected object/],
      ['x', /expected object/],
      [{ sesionId: 'a' }, /^- sesionId: is not known/m],
      [{ sessionId: 5 }, /^- sessionId: /m],
      [{ signal: new AbortController() }, /^- signal: must be an AbortSignal/m],
      [{ onEvent: 1 }, /^- onEvent: must be a function/m],
      [{ models: {} }, /^- models: must be an object with resolve/m],
      [{ memory: {} }, /^- memory: must be an object with messages/m],
      [{ secrets: { KEY: 'k' } }, /^- secrets: must be an object with get, values/m],
      [{ security: {} }, /^- security: /m],
      [{ extraTools: { it: { description: 'd' } } }, /^- extraTools\.it\.input: /m],
      [{ taintedBy: 'web' }, /^- taintedBy: /m],
    ];
    for (const [options, message] of bad) {
      const refused = { code: 'invalid_argument', message };
      await assert.rejects(agent.run('x', options as RunOptions), refused);
      assert.throws(() => agent.stream('x', options as RunOptions), refused);
    }
    for (const prompt of [undefined, 5, { text: 'x' }] as unknown as string[])
      await assert.rejects(agent.run(prompt), { code: 'invalid_argument', message: /a text, or a list/ });
  });

  it('refuses a prompt that says nothing, and asks no model', async () => {
    const agent = defineAgent({ ...good, model: said('x') });
    for (const prompt of ['', ' \n', [], [{ type: 'text' as const, text: ' ' }]])
      await assert.rejects(agent.run(prompt), { code: 'invalid_argument', message: /The prompt is empty/ });
    const file = { type: 'file' as const, mediaType: 'text/plain', data: 'aGk=' };
    assert.equal((await agent.run([file])).output, 'x');
  });

  it('refuses what stands behind the options of a run', async () => {
    const agent = defineAgent({ ...good, model: said('x') });
    const refused = { code: 'invalid_argument', message: /one object of options/ };
    const run = agent.run as (...given: unknown[]) => Promise<unknown>;
    await assert.rejects(run('x', {}, { sessionId: 'a' }), refused);
    assert.throws(() => (agent.stream as (...given: unknown[]) => unknown)('x', {}, 1), refused);
  });

  it('tells the rules what its prompt was tainted by', async () => {
    const seen: unknown[] = [];
    const agent = defineAgent({
      ...good,
      model: said(callTool('add', { a: 1, b: 1 }), 'x'),
      tools: { add },
      security: {
        decide: ({ taintedBy }) => {
          seen.push(taintedBy);
          return { decision: 'allow' };
        },
        redact: (value) => value,
      },
    });
    await agent.run('x', { taintedBy: ['web'] });
    assert.deepEqual(seen, [['web']]);
  });

  it('asks no model while a JSON Schema of a tool or of its output is broken', async () => {
    const broken = { jsonSchema: { type: 'object', properties: { a: { type: 'strin' } } } };
    const parts: [more: Partial<AgentDefinition>, message: RegExp][] = [
      [
        { tools: { it: { ...add, input: broken } as Tool } },
        /^- it\.input\.jsonSchema.*properties\.a\.type/m,
      ],
      [{ output: broken }, /^- output\.jsonSchema.*properties\.a\.type/m],
    ];
    for (const [more, message] of parts) {
      const model = scriptedModel({ name: 'none', steps: [() => assert.fail('it was asked')] });
      await assert.rejects(defineAgent({ ...good, model, ...more }).run('x'), {
        code: 'config_invalid',
        message,
      });
    }
  });

  it('hands no work on from below the depth that it is given', async () => {
    const child = defineAgent({ ...good, name: 'child', model: said('done') });
    const model = scriptedModel({
      name: 'parent',
      steps: [callTool('child', { prompt: 'x' }), ({ messages }) => say(JSON.stringify(messages.at(-1)))],
    });
    const agent = defineAgent({ ...good, model, tools: { child: delegate(child) } });
    assert.match((await agent.run('x', { depth: 0 })).output, /done/);
    assert.match((await agent.run('x', { depth: 100 })).output, /Work may be handed on/);
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

  it('takes JSON Schema as output, alone or beside a schema that cannot say its own', async () => {
    const jsonSchema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] } as const;
    const raw = defineAgent({
      ...good,
      model: said('{"n":"1"}', '{"n":1}'),
      output: { jsonSchema: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] } },
    });
    const plain: Json = (await raw.run('x')).output;
    assert.deepEqual(plain, { n: 1 });
    const beside = { jsonSchema, validate: silent };
    const agent = defineAgent({ ...good, model: said('{"n":1}'), output: beside });
    const { output } = await agent.run('x');
    assert.equal(output.n satisfies number, 2);
    const broken = { jsonSchema: { type: 'object', required: 'n' } };
    await assert.rejects(defineAgent({ ...good, model: said('{}'), output: broken }).run('x'), {
      code: 'config_invalid',
      message: /^- output\.jsonSchema: required: must be array/m,
    });
  });

  it('takes schemas that are functions, as those of some vendors are', async () => {
    const callable = Object.assign(() => {}, { '~standard': z.object({ n: z.int() })['~standard'] });
    const it = defineTool({
      description: 'd',
      input: callable,
      output: callable,
      execute: ({ n }) => ({ n }),
    });
    const model = said(callTool('it', { n: 1 }), '{"n":1}');
    const agent = defineAgent({ ...good, model, tools: { it }, output: callable });
    assert.deepEqual((await agent.run('x')).output, { n: 1 });
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
      message: 'onApproval failed: the office is closed',
    });
  });

  it('ends with an error that holds no secret, wherever it comes from', async () => {
    const planner = {
      name: 'talkative',
      next: () => {
        throw new Error('planned with tok-1234567', { cause: 'tok-1234567' });
      },
    };
    const agent = defineAgent({ ...definition, model: said('never'), planner });
    await assert.rejects(agent.run('x', { secrets: secretsFrom({ KEY: 'tok-1234567' }) }), (thrown) => {
      assert.match(String(thrown), /The planner talkative failed: planned with \[redacted\]/);
      assert.doesNotMatch(inspect(thrown), /tok-1234567/);
      return true;
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
