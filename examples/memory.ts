// An agent that remembers from one run to the next, by meaning too. Runs without a key, by rules.
import { createMemory, defineAgent, recallTool, rememberTool, textOf } from '@opspawn/agentkit';
import { callTool, scriptedEmbedder, scriptedModel } from '@opspawn/agentkit/testing';

const model = scriptedModel({
  name: 'helper',
  reply({ messages }) {
    const last = messages.at(-1);
    if (last?.role === 'tool') return JSON.stringify(last.content[0]?.output);
    const said = last === undefined ? '' : textOf(last);
    return said.endsWith('?') ? callTool('recall', { query: said }) : callTool('remember', { text: said });
  },
});
const agent = defineAgent({
  name: 'helper',
  instructions: 'Remember what you are told, and recall what you are asked.',
  model,
  tools: { remember: rememberTool({ scope: 'user' }), recall: recallTool({ limit: 1 }) },
});
// In place of createEmbedder('openai/text-embedding-3-small').
const embedder = scriptedEmbedder('drinks', [
  ['tea', 'drink'],
  ['train', 'travel'],
]);
const memory = createMemory({ embedder });
await agent.run('Ada takes tea with lemon', { memory, userId: 'ada' });
await agent.run('Ada goes by train', { memory, userId: 'ada' });
console.log((await agent.run('What may I offer to drink?', { memory, userId: 'ada' })).output);
console.log((await agent.run('What may I offer to drink?', { memory, userId: 'bob' })).output);
