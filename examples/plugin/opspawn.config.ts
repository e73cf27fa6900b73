/** Uses the plugin `shelves`: its tool, its model and its guardrail. What the tool knows of the shop, it is told here. */
import { defineAgent } from '@opspawn/agentkit';
import { defineConfig } from '@opspawn/ops-core';
import { shelves } from './shelves.ts';

export default defineConfig({
  plugins: [shelves],
  toolContext: { shelves__find: { shelves: { milk: 'B7', bread: 'A1' } } },
  agents: [
    defineAgent({
      name: 'clerk',
      instructions: 'Say where things are.',
      model: 'shelves/clerk',
      tools: { ...shelves.tools },
      guardrails: { output: [shelves.guardrails.helpful] },
    }),
  ],
});
