/** Five shapes of work, each with its expected output. They run on rules, so that every run of one asks for the same. */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineAgent, defineTool, type Json } from '@opspawn/agentkit';
import { callTool, callTools, type ScriptedStep, say, scriptedModel } from '@opspawn/agentkit/testing';
import { z } from 'zod';
import { defineFunction } from '../../packages/ops-core/src/tasks/definitions/definition.ts';
import { defineConfig } from '../../packages/ops-core/src/tasks/definitions/user-config.ts';

const number = z.object({ n: z.number() });

const read = defineTool({
  description: 'Reads a number.',
  annotations: { readOnlyHint: true },
  input: number,
  execute: async ({ n }) => n * 10,
});

/** Takes a moment, so that parallel calls end in another order than they began. */
const slowRead = defineTool({
  description: 'Reads a number slowly.',
  annotations: { readOnlyHint: true },
  input: number,
  async execute({ n }) {
    await sleep(10 - n);
    return n * 10;
  },
});

const pay = defineTool({
  description: 'Pays once.',
  input: number,
  execute: async ({ n }) => `paid ${n}`,
});

const approvedPay = defineTool({
  description: 'Pays once, when a person agrees.',
  approval: 'always',
  input: number,
  execute: async ({ n }) => `paid ${n}`,
});

/** Does nothing until there is such a file. */
async function untilThere(path: string, signal: AbortSignal | undefined): Promise<string> {
  while (!existsSync(path)) await sleep(5, undefined, { signal });
  return 'worked';
}

const model = (name: string, ...steps: ScriptedStep[]) => scriptedModel({ name, steps });

const instructions = 'Do it.';

const agents = [
  defineAgent({
    name: 'single-tool',
    instructions,
    tools: { read },
    model: model('single-tool', callTool('read', { n: 1 }), say('done')),
  }),
  defineAgent({
    name: 'parallel-tools',
    instructions,
    tools: { slowRead, pay },
    model: model(
      'parallel-tools',
      callTools(
        { tool: 'slowRead', input: { n: 1 } },
        { tool: 'pay', input: { n: 2 } },
        { tool: 'slowRead', input: { n: 3 } },
      ),
      say('done'),
    ),
  }),
  defineAgent({
    name: 'once-tool',
    instructions,
    tools: { pay },
    model: model('once-tool', callTool('pay', { n: 1 }), callTool('pay', { n: 2 }), say('done')),
  }),
  defineAgent({
    name: 'approval',
    instructions,
    tools: { approvedPay },
    model: model('approval', callTool('approvedPay', { n: 1 }), say('done')),
  }),
];

const functions = [
  defineFunction({
    name: 'branches',
    async run(ctx) {
      const [a, b, c] = await ctx.all([
        () => ctx.step('read', () => 1),
        async () => {
          const half = await ctx.step('half', () => 2);
          return await ctx.step('pay', () => half + 1, { effect: 'once' });
        },
        () => ctx.task('child', 5),
      ]);
      const fast = await ctx.race([() => ctx.step('fast', () => 'fast'), () => ctx.signal('never')]);
      return [a, b, c, fast] as Json;
    },
  }),
  defineFunction({
    name: 'ten-steps',
    async run(ctx) {
      let sum = 0;
      for (let i = 0; i < 10; i += 1) {
        sum += await ctx.step(`step ${i}`, () => sleep(i % 3, i), i === 5 ? { effect: 'once' } : {});
      }
      return sum;
    },
  }),
  defineFunction({
    name: 'held',
    input: z.object({
      effect: z.enum(['read', 'once']),
      gate: z.string(),
      heedsSignal: z.boolean().default(false),
    }),
    run: (ctx, { effect, gate, heedsSignal }) =>
      ctx.step('work', ({ signal }) => untilThere(gate, heedsSignal ? signal : undefined), { effect }),
  }),
  defineFunction({ name: 'child', run: (ctx, n) => ctx.step('double', () => Number(n) * 2) }),
];

export const crashConfig = defineConfig({ agents, functions });

export const shapes: Readonly<Record<string, Json>> = {
  'single-tool': 'done',
  'parallel-tools': 'done',
  'once-tool': 'done',
  approval: 'done',
  branches: [1, 3, 10, 'fast'],
};

export const tenStepsOutput = 45;
