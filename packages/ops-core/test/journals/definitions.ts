/** What the tasks of the fixtures run. Change nothing here: a task that an older version began must find what it asked for. */
import { askHuman, defineAgent } from '@opspawn/agentkit';
import { callTool, say, scriptedModel } from '@opspawn/agentkit/testing';
import { defineFunction, defineWorkflow } from '../../src/tasks/definitions/definition.ts';
import type { OpspawnConfig } from '../../src/tasks/definitions/user-config.ts';

/** Steps that really ran in this process, since the list was emptied. */
export const ran: string[] = [];

/** Notes that it runs, and gives its name back. */
const note = (name: string) => () => {
  ran.push(name);
  return name;
};

const order = defineWorkflow({
  name: 'order',
  async run(ctx) {
    const first = await ctx.step('first', note('first'));
    const drawn = { now: ctx.now(), random: ctx.random(), uuid: ctx.uuid() };
    const mapped = await ctx.map(['a', 'b'], (each) => ctx.step('mapped', note(`mapped ${each}`)));
    ctx.log('info', 'half-way');
    const child = await ctx.task('child', 'input');
    const caught = await ctx
      .step('breaks', note('breaks'), { retry: { maxAttempts: 1 } })
      .catch(() => 'caught');
    await ctx.sleep(1);
    const [approved, signalled] = await ctx.all([() => ctx.approval('spend'), () => ctx.signal('go')]);
    const last = await ctx.step('last', note('last'));
    return {
      first,
      drawn,
      mapped,
      child: child ?? null,
      caught,
      approved: approved.approved,
      signalled: signalled ?? null,
      last,
    };
  },
});

const child = defineFunction({
  name: 'child',
  run: (ctx, input) =>
    ctx.step('in the child', () => ({ input: input ?? null, ran: note('in the child')() })),
});

/** Its first attempt is told to stop in the middle of the effect. */
const payment = defineFunction({
  name: 'payment',
  run: (ctx) =>
    ctx.step(
      'pay',
      async ({ signal }) => {
        note('pay')();
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        return await new Promise<string>(() => {});
      },
      { effect: 'once', intent: { cents: 500 } },
    ),
});

/** Fails where it is said to, until `mended` is called. */
let isMended = false;
export const mend = (): void => {
  isMended = true;
};
const fragile = defineFunction({
  name: 'fragile',
  retry: { maxAttempts: 1 },
  async run(ctx) {
    const before = await ctx.step('before', note('before'));
    const broken = await ctx.step(
      'broken',
      () => {
        if (!isMended) throw new Error('outer', { cause: new Error('inner') });
        return note('broken')();
      },
      { retry: { maxAttempts: 1 } },
    );
    return { before, broken };
  },
});

const clerk = defineAgent({
  name: 'clerk',
  instructions: 'Asks.',
  model: scriptedModel({
    name: 'clerk',
    steps: [callTool('ask_human', { question: 'How many?' }), say('As many as you say.')],
  }),
  tools: { ask_human: askHuman() },
});

export const config: OpspawnConfig = {
  agents: [clerk],
  functions: [child, payment, fragile],
  workflows: [order],
};

/** Where the tasks stand when they are kept. */
export const parked: Readonly<Record<string, 'waiting' | 'failed' | 'paused'>> = {
  order: 'waiting',
  payment: 'waiting',
  fragile: 'failed',
  clerk: 'waiting',
};
