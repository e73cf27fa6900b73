import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { type AgentDefinition, defineAgent, type Message, type RunOptions, type Tools } from '../index.ts';
import { callTool, scriptedModel } from '../testing.ts';
import { defineTool } from '../tool/define-tool.ts';

interface Basket {
  items: string[];
}
/** It passes on the very list that it was given. */
const input = z.object({ items: z.unknown() });

/** One call with one item; gives what the model was sent after it. */
async function callOnce(
  tools: Tools,
  options: RunOptions = {},
  definition: Partial<AgentDefinition> = {},
): Promise<Message[]> {
  let sent: Message[] = [];
  const model = scriptedModel({
    name: 'buyer',
    reply({ messages }) {
      sent = [...messages];
      return messages.length > 2 ? 'done' : callTool('buy', { items: ['pear'] });
    },
  });
  const agent = defineAgent({ name: 'buyer', instructions: 'Buy.', model, tools, ...definition });
  await agent.run('go', options);
  return sent;
}

describe('the arguments of a call', () => {
  it('are the same at every try and in the conversation, whatever the tool does to them', async () => {
    const got: string[][] = [];
    const buy = defineTool({
      description: 'Buys',
      input,
      retry: { maxAttempts: 2, initialDelayMs: 0 },
      execute(basket) {
        const { items } = basket as Basket;
        got.push([...items]);
        items.push('changed');
        if (got.length === 1) throw new Error('again');
        return 'bought';
      },
    });
    const sent = await callOnce({ buy });
    assert.deepEqual(got, [['pear'], ['pear']]);
    assert.doesNotMatch(JSON.stringify(sent), /changed/);
  });

  it('that are agreed to are those that run, whatever is done to them by who decides or watches', async () => {
    const got: string[][] = [];
    const asked: string[] = [];
    const started: string[] = [];
    const change = ({ items }: Basket): void => void items.push('changed');
    const buy = defineTool({
      description: 'Buys',
      input,
      approval(basket) {
        change(basket as Basket);
        return true;
      },
      execute({ items }) {
        got.push(items as string[]);
        return 'bought';
      },
    });
    const sent = await callOnce(
      { buy },
      {
        onApproval({ payload }) {
          asked.push(JSON.stringify(payload));
          change((payload as unknown as { input: Basket }).input);
          return { approved: true, by: 'eva' };
        },
        onEvent(event) {
          if (event.type !== 'tool.started') return;
          started.push(JSON.stringify(event.input));
          change(event.input as unknown as Basket);
        },
        security: {
          redact: (value) => value,
          decide(request) {
            change(request.input as unknown as Basket);
            return { decision: 'allow' };
          },
        },
      },
    );
    assert.deepEqual(got, [['pear']]);
    assert.deepEqual([asked.length, started.length], [1, 1]);
    assert.doesNotMatch([asked, started, JSON.stringify(sent)].join(), /changed/);
  });
});
