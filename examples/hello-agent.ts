// Run it with OPENAI_API_KEY (or another provider's key) set. Without a key, with rules instead of a language model:
// AGENTKIT_LLM_PROVIDER=scripted AGENTKIT_LLM_MODEL=first-tool node examples/hello-agent.ts
import { defineAgent, defineTool } from '@opspawn/agentkit';
import { z } from 'zod';

const add = defineTool({
  description: 'Adds two numbers',
  input: z.object({ a: z.number(), b: z.number() }),
  execute: ({ a, b }) => a + b,
});
const agent = defineAgent({ name: 'hello', instructions: 'Compute with the tools.', tools: { add } });
const { output } = await agent.run('How much is 17 + 25?');
console.log(output);
