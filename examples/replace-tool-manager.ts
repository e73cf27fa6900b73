// A tool manager of your own: it offers only the tools that a customer has paid for. Runs without a key, by rules.
import { add, createToolManager, defineAgent, subtract, type ToolManager } from '@opspawn/agentkit';
import { scriptedModel } from '@opspawn/agentkit/testing';

const paid = new Set(['add']);

const agent = defineAgent({
  name: 'shop',
  instructions: 'Compute.',
  model: scriptedModel({ name: 'shop', reply: ({ tools }) => tools.map(({ name }) => name).join(', ') }),
  tools: { add, subtract },
  toolManager(options): ToolManager {
    const all = createToolManager(options);
    return {
      list: async () => (await all.list()).filter(({ name }) => paid.has(name)),
      prepare: async (call) =>
        paid.has(call.tool)
          ? await all.prepare(call)
          : { refused: true, message: `${call.tool} is not paid for` },
    };
  },
});
const { output } = await agent.run('What can you do?');
console.log(output);
