/** A plugin, as a package would export it: a tool that gets its shop from the config, and a model by rules. */
import { definePlugin, defineTool, type Json, textOf } from '@opspawn/agentkit';
import { callTool, scriptedModel } from '@opspawn/agentkit/testing';
import { z } from 'zod';

const find = defineTool({
  description: 'Finds the shelf of an article',
  input: z.object({ article: z.string() }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  context: z.object({ shelves: z.record(z.string(), z.string()) }),
  execute: ({ article }, { context }) => context.shelves[article] ?? 'nowhere',
});

/** Looks up the last word that it is asked about, and says where that is. */
const clerk = scriptedModel({
  name: 'clerk',
  reply({ messages }) {
    const last = messages.at(-1);
    if (last?.role === 'tool') return `It is on shelf ${last.content[0]?.output}.`;
    const article = last === undefined ? '' : (/(\w+)\W*$/.exec(textOf(last))?.[1] ?? '');
    return callTool('shelves__find', { article });
  },
});

export const shelves = definePlugin({
  name: 'shelves',
  version: '1.0.0',
  tools: { find },
  models: () => clerk,
  guardrails: { helpful: (output: Json) => (output === '' ? 'it says nothing' : undefined) },
});
