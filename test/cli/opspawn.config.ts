/** What the tests of the command line run. */
import { existsSync, writeFileSync } from 'node:fs';
import { defineAgent, defineTool, OpspawnError } from '@opspawn/agentkit';
import { callTool, say, scriptedModel } from '@opspawn/agentkit/testing';
import { defineConfig, defineFunction, defineWorkflow } from '@opspawn/ops-core';
import { z } from 'zod';

const greet = defineFunction({
  name: 'greet',
  input: z.object({ who: z.string() }),
  run: (ctx, { who }) => ctx.step('greet', () => `Hello ${who}`),
});

const patient = defineWorkflow({
  name: 'patient',
  async run(ctx) {
    const answer = await ctx.signal('go');
    return { answer: answer ?? null };
  },
});

const approved = defineWorkflow({
  name: 'approved',
  async run(ctx) {
    const { approved: isApproved, comment } = await ctx.approval('spend', { payload: { cents: 5 } });
    return { isApproved, comment: comment ?? null };
  },
});

/** Fails for good until there is a file `repaired` in the working directory of the worker. */
const fragile = defineFunction({
  name: 'fragile',
  run: (ctx) =>
    ctx.step('break', () => {
      if (!existsSync('repaired')) throw new OpspawnError('wrong_state', 'It is broken');
      return 'whole';
    }),
});

/** Kills its worker in the middle of an effect, once. */
const deadly = defineFunction({
  name: 'deadly',
  run: (ctx) =>
    ctx.step(
      'pay',
      async () => {
        if (existsSync('paid')) return 'paid again';
        writeFileSync('paid', '');
        process.kill(process.pid, 'SIGKILL');
        await new Promise(() => {});
        return 'never';
      },
      { effect: 'once' },
    ),
});

/** Asks for its steps in an order that no replay repeats. */
const unruly = defineFunction({
  name: 'unruly',
  async run(ctx) {
    const load = async (name: string) => {
      await new Promise((resolve) => setTimeout(resolve, 50 * Math.random()));
      return await ctx.step(name, () => name);
    };
    await Promise.all(['a', 'b', 'c'].map(load));
    return await ctx.step('last', () => 'done');
  },
});

const clerk = defineAgent({
  name: 'clerk',
  instructions: 'Adds up.',
  model: scriptedModel({ name: 'clerk', steps: [callTool('add', { a: 20, b: 22 }), say('It is 42.')] }),
  tools: {
    add: defineTool({
      description: 'Adds two numbers',
      input: z.object({ a: z.number(), b: z.number() }),
      execute: ({ a, b }) => a + b,
    }),
  },
});

const paid = defineAgent({ name: 'paid', instructions: 'Costs money.', model: 'openai/gpt-5.4-mini' });

export default defineConfig({
  agents: [clerk, paid],
  functions: [greet, fragile, deadly, unruly],
  workflows: [patient, approved],
});
