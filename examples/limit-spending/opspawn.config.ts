import { defineAgent, delegate } from '@opspawn/agentkit';
import { callTools, scriptedModel } from '@opspawn/agentkit/testing';
import { defineConfig } from '@opspawn/ops-core';

/** Rules stand in for a model, so that this runs without a key. It has a price all the same: $1 for a million tokens in, $4 out. */
const price = { inputMicroUsd: 1_000_000, outputMicroUsd: 4_000_000 };

const reader = defineAgent({
  name: 'reader',
  instructions: 'Read the page and say in a sentence what it says.',
  model: {
    ...scriptedModel({ name: 'reader', reply: 'The page says that all is well, and that more will follow.' }),
    price,
  },
  // A bound for each answer, so that many can be on the way within one budget.
  modelOptions: { maxOutputTokens: 50 },
});

/** Hands ten pages to ten readers at once. All of them spend what the task may spend. */
export const researcher = defineAgent({
  name: 'researcher',
  instructions: 'Have the pages read, and say what they say.',
  tools: { read: delegate(reader) },
  model: {
    ...scriptedModel({
      name: 'researcher',
      reply: ({ messages }) =>
        messages.length > 2
          ? 'All pages say that all is well.'
          : callTools(
              ...Array.from({ length: 10 }, (_, n) => ({ tool: 'read', input: { prompt: `Page ${n + 1}` } })),
            ),
    }),
    price,
  },
  modelOptions: { maxOutputTokens: 400 },
});

export default defineConfig({ agents: [researcher] });
