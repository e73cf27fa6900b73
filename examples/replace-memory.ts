// A memory of your own: conversations in a map that you could keep anywhere. Runs without a key, by rules.
import { createMemory, defineAgent, type Memory, type Message } from '@opspawn/agentkit';
import { scriptedModel } from '@opspawn/agentkit/testing';

const conversations = new Map<string, Message[]>();
const memory: Memory = {
  ...createMemory(), // remember, recall and forget stay as they are
  async messages({ session }) {
    return [...(conversations.get(session) ?? [])];
  },
  async append({ session }, runId, messages) {
    if (conversations.has(runId)) return; // the same run is added once
    conversations.set(runId, []);
    conversations.set(session, [...(conversations.get(session) ?? []), ...messages]);
  },
};

const countPrompts = scriptedModel({
  name: 'counter',
  reply: ({ messages }) => `You wrote ${messages.filter(({ role }) => role === 'user').length} times.`,
});
const agent = defineAgent({ name: 'counter', instructions: 'Count.', model: countPrompts });
await agent.run('Hello', { memory, sessionId: 'ada' });
const { output } = await agent.run('Hello again', { memory, sessionId: 'ada' });
console.log(output);
