import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { askHuman, defineAgent, delegate, type Message, textOf } from '@opspawn/agentkit';
import { callTool, callTools, scriptedModel } from '@opspawn/agentkit/testing';
import { openOpspawn, runTask, temporaryFolder, untilFinished, untilStatus } from '../../test/opspawn.ts';
import { localPrincipal } from '../auth/principal.ts';

const sayResults = ({ messages }: { messages: readonly Message[] }): string => {
  const last = messages.at(-1);
  return last?.role === 'tool' ? last.content.map(({ output }) => String(output)).join('; ') : '';
};

const prompts: string[][] = [];
const worker = defineAgent({
  name: 'worker',
  instructions: 'Work.',
  model: scriptedModel({
    name: 'worker',
    reply({ messages }) {
      const said = messages.flatMap((message) => (message.role === 'user' ? [textOf(message)] : []));
      prompts.push(said);
      return `did ${said.at(-1)}`;
    },
  }),
});
const two = callTools(...['a', 'b'].map((prompt) => ({ tool: 'work', input: { prompt } })));

describe('an agent that hands work on', () => {
  it('waits for durable child tasks, of agents that its tools bring, outside its session', async (t) => {
    const boss = defineAgent({
      name: 'boss',
      instructions: 'Hand on.',
      model: scriptedModel({ name: 'boss', steps: [two, sayResults] }),
      tools: { work: delegate(worker) },
    });
    const { engine } = await openOpspawn(t, { agents: [boss] });
    const { task } = await runTask(t, engine, { name: 'boss', input: 'Go', sessionId: 'talk' });
    assert.equal(task.output, 'did a; did b');
    const { items } = await engine.list(localPrincipal, { parentId: task.id, limit: 10 });
    assert.deepEqual(
      items.map(({ name, status }) => `${name} ${status}`),
      ['worker completed', 'worker completed'],
    );
    assert.deepEqual(prompts.map((said) => said.join()).sort(), ['a', 'b']);
  });

  it('waits for a person without a worker, and goes on in another process', async (t) => {
    const asker = defineAgent({
      name: 'asker',
      instructions: 'Ask.',
      model: scriptedModel({
        name: 'asker',
        steps: [callTool('ask_human', { question: 'Which?' }), sayResults],
      }),
      tools: { ask_human: askHuman() },
    });
    const folder = temporaryFolder(t);
    const first = await openOpspawn(t, { agents: [asker] }, { folder });
    const { task } = await first.engine.submit(localPrincipal, { name: 'asker', input: 'Go' });
    const { waits = [] } = await untilStatus(t, first.engine, task.id, 'waiting');
    await first[Symbol.asyncDispose]();
    const { engine } = await openOpspawn(t, { agents: [asker] }, { folder });
    await engine.decide(localPrincipal, task.id, waits[0]!.step, { approved: true, answer: 'the red one' });
    assert.equal((await untilFinished(t, engine, task.id)).task.output, 'the red one');
  });
});
