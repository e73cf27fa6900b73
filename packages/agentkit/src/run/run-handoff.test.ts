import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { add, sayResults, withCode } from '../../test/tester.ts';
import type { AgentDefinition } from '../agent.ts';
import { type Agent, defineAgent } from '../define-agent.ts';
import { createMemory } from '../memory/create-memory.ts';
import { memorySteps } from '../memory-steps.ts';
import { textOf } from '../message.ts';
import type { Model, ModelRequest } from '../model/model.ts';
import { type ScriptedStep, scriptedModel } from '../model/scripted/scripted-model.ts';
import { secretsFrom } from '../security/secrets.ts';
import { createSecurityManager } from '../security/security-rules.ts';
import type { Steps } from '../steps.ts';
import {
  callTool,
  callTools,
  collectEvents,
  expectEvents,
  memoryEnvironment,
  promptOf,
  replayingSteps,
} from '../testing.ts';
import { handoff } from '../tool/builtin/handoff.ts';
import { defineTool } from '../tool/define-tool.ts';
import { runAgent } from './run-agent.ts';

const reply = (name: string, reply: ScriptedStep): Model => scriptedModel({ name, reply });
const billing = defineAgent({
  name: 'billing',
  instructions: 'You are billing.',
  model: reply('billing', ({ messages, tools }) => {
    const system = messages[0]?.content;
    if (tools.length === 0) return 'no JSON';
    if (messages.at(-1)?.role === 'tool' && messages.length > 5) return `${system} ${tools.length} tool`;
    return callTool('add', { a: messages.length, b: 1 });
  }),
  tools: { add },
});
const toBilling = callTool('billing', { reason: 'It is about money' });
const desk = (definition: Partial<AgentDefinition> = {}) =>
  defineAgent({
    name: 'desk',
    instructions: 'You are the desk.',
    model: scriptedModel({ name: 'desk', steps: [toBilling] }),
    tools: { billing: handoff(billing) },
    ...definition,
  });

describe('handoff', () => {
  it('moves the conversation: the other agent sees it all, with its own instructions, model and tools', async () => {
    const { events, onEvent } = collectEvents();
    const { output, turns, toolCalls } = await desk().run('I paid twice', { onEvent });
    assert.deepEqual([output, turns, toolCalls], ['You are billing. 1 tool', 3, 2]);
    expectEvents(events, [
      { type: 'tool.finished', tool: 'billing', output: { handedTo: 'billing' } },
      { type: 'agent.changed', turn: 1, from: 'desk', to: 'billing' },
      { type: 'model.finished', model: 'scripted/billing' },
      { type: 'tool.finished', tool: 'add', output: 5 },
      { type: 'run.finished', output },
    ]);
  });

  it('is found again after a crash, wherever it came', async () => {
    const run = (steps: Steps) => {
      const { run: _run, stream: _stream, ...definition } = desk();
      return runAgent(definition, { prompt: 'I paid twice' }, memoryEnvironment({ steps }));
    };
    const first = memorySteps();
    const whole = await run(first);
    const history = first.history();
    assert.equal(history.length, 5);
    for (let length = 0; length <= history.length; length += 1) {
      const resumed = await run(replayingSteps(history.slice(0, length), { taskId: first.taskId }));
      assert.deepEqual(resumed, whole, `after ${length}`);
    }
  });

  it('is one in a turn also where the run stopped between the calls of it', async () => {
    const left = defineAgent({ name: 'left', instructions: 'L', model: reply('left', sayResults) });
    const right = defineAgent({ name: 'right', instructions: 'R', model: reply('right', sayResults) });
    const calls = ['left', 'right'].map((tool) => ({ tool, input: { reason: 'x' } }));
    const {
      run: _run,
      stream: _stream,
      ...definition
    } = desk({
      model: scriptedModel({ name: 'desk', steps: [callTools(...calls)] }),
      tools: { left: handoff(left), right: handoff(right) },
    });
    const first = memorySteps();
    const whole = await runAgent(definition, { prompt: 'x' }, memoryEnvironment({ steps: first }));
    for (const name of ['left:1:call_1', 'right:1:call_2']) {
      const cut = first.history().filter((step) => step.name === 'model:1' || step.name === name);
      assert.equal(cut.length, 2);
      const steps = replayingSteps(cut, { taskId: first.taskId });
      const resumed = await runAgent(definition, { prompt: 'x' }, memoryEnvironment({ steps }));
      assert.deepEqual(resumed, whole, name);
    }
  });

  it('takes along the limits and the output schema of the agent that the run began with', async () => {
    await assert.rejects(desk({ limits: { turns: 2 } }).run('I paid twice'), withCode('budget_exceeded'));
    const strict = desk({ output: z.object({ refund: z.number() }) });
    await assert.rejects(strict.run('I paid twice'), withCode('model_rejected'));
    const unpriced: AgentDefinition = {
      ...billing,
      model: { id: 'own/model', call: () => Promise.reject(new Error('never asked')) },
    };
    const careful = desk({ tools: { billing: handoff(unpriced) }, limits: { costMicroUsd: 1_000 } });
    await assert.rejects(careful.run('I paid twice'), withCode('config_invalid'));
  });

  it('holds on in a session: the next run begins with who spoke last', async () => {
    const memory = createMemory();
    const agent = desk();
    await agent.run('I paid twice', { memory, sessionId: 's' });
    const { events, onEvent } = collectEvents();
    await agent.run('And now?', { memory, sessionId: 's', onEvent });
    expectEvents(events, [
      { type: 'run.started', agent: 'desk' },
      { type: 'model.finished', model: 'scripted/billing' },
    ]);
  });

  it('takes along the working memory: what was edited is told with a summary that the other agent has written', async () => {
    const sent: ModelRequest[] = [];
    const read = defineTool({
      description: 'Reads',
      input: z.object({ page: z.number() }),
      execute: ({ page }) => `page ${page} ${'lorem ipsum '.repeat(100)}`,
    });
    const reader = defineAgent({
      name: 'reader',
      instructions: 'Read.',
      tools: { read },
      model: scriptedModel({
        name: 'reader',
        contextTokens: 2_000,
        reply(request) {
          if (promptOf(request).startsWith('[This is not from the user.]')) return 'a summary';
          sent.push(request);
          return sent.length < 10 ? callTool('read', { page: sent.length }) : 'done';
        },
      }),
    });
    const noting = desk({
      model: scriptedModel({
        name: 'desk',
        steps: [
          callTool('edit_block', { block: 'todo', new: 'call Ada' }),
          callTool('reader', { reason: 'x' }),
        ],
      }),
      tools: { reader: handoff(reader) },
      memory: { blocks: { todo: {} } },
    });
    await noting.run('Go');
    const last = JSON.stringify(sent.at(-1)?.messages);
    assert.match(last, /a summary/);
    assert.match(last, /call Ada/);
  });

  it('holds on in a session of which the agent wants its latest messages only', async () => {
    const memory = createMemory();
    const model = scriptedModel({
      name: 'desk',
      reply: (request) => (promptOf(request) === 'first' ? callTool('other', { reason: 'x' }) : 'desk'),
    });
    const other = defineAgent({ name: 'other', instructions: 'O', model: reply('other', 'other') });
    const brief = desk({ model, tools: { other: handoff(other) }, memory: { sessionMessages: 2 } });
    const said: string[] = [];
    for (const prompt of ['first', 'second', 'third'])
      said.push((await brief.run(prompt, { memory, sessionId: 's' })).output);
    assert.deepEqual(said, ['other', 'other', 'other']);
  });

  it('is refused as a tool of one run, which would tell of it and not do it', async () => {
    const extraTools = { also: handoff(billing) };
    await assert.rejects(
      desk().run('I paid twice', { extraTools }),
      /^OpspawnError: extraTools.also: a handoff/,
    );
  });

  it('keeps the secrets of all who spoke out of the session', async () => {
    const memory = createMemory();
    const hiding = createSecurityManager({ secrets: secretsFrom({ KEY: 'tok-1234567' }) });
    await desk({ security: hiding }).run('I paid twice, with tok-1234567', { memory, sessionId: 's' });
    const [prompt] = await memory.messages({ namespace: 'default', session: 's' });
    assert.equal(prompt?.role === 'user' && textOf(prompt), 'I paid twice, with [redacted]');
  });

  it('ends: agents that hand to each other are told to go on themselves', async () => {
    const pass = (name: string) =>
      scriptedModel({
        name,
        reply: ({ messages, tools }) => {
          const last = messages.at(-1);
          const refused = last?.role === 'tool' && last.content[0]?.isError === true;
          return refused ? `${name} stays` : callTool(tools[0]?.name ?? '', { reason: 'not mine' });
        },
      });
    const left: Agent<string> = defineAgent({
      name: 'left',
      instructions: 'L',
      model: pass('left'),
      tools: { right: handoff(() => right) },
      limits: { handoffs: 3, idleTurns: 50, repeatedCalls: 50 },
    });
    const right: Agent<string> = defineAgent({
      name: 'right',
      instructions: 'R',
      model: pass('right'),
      tools: { left: handoff(() => left, { description: 'Hands to left' }) },
    });
    assert.equal((await left.run('Go')).output, 'right stays');
  });

  it('goes to one agent at a time, after the other calls of the turn are done', async () => {
    const done: string[] = [];
    const note = defineTool({
      description: 'Notes',
      input: z.object({ text: z.string() }),
      execute: ({ text }) => void done.push(text),
    });
    const other = defineAgent({ name: 'other', instructions: 'O', model: reply('other', sayResults) });
    const agent = desk({
      model: scriptedModel({
        name: 'desk',
        steps: [
          callTools(
            { tool: 'other', input: { reason: 'x' } },
            { tool: 'note', input: { text: 'kept' } },
            { tool: 'billing', input: { reason: 'y' } },
          ),
        ],
      }),
      tools: { billing: handoff(billing), other: handoff(other), note },
    });
    const { output } = await agent.run('Go');
    assert.equal(
      output,
      '{"handedTo":"other"}; null; error "The conversation can be handed to one agent at a time"',
    );
    assert.deepEqual(done, ['kept']);
  });

  it('is not guessed: a run whose target was renamed says so', async () => {
    const first = memorySteps();
    const { run: _run, stream: _stream, ...definition } = desk();
    await runAgent(definition, { prompt: 'x' }, memoryEnvironment({ steps: first }));
    const renamed = { ...definition, tools: { billing: handoff({ ...billing, name: 'money' }) } };
    const steps = replayingSteps(first.history().slice(0, 2), { taskId: first.taskId });
    await assert.rejects(
      runAgent(renamed, { prompt: 'x' }, memoryEnvironment({ steps })),
      /handed the conversation to "billing", and would now hand it to money/,
    );
  });
});
