import { setTimeout as sleep } from 'node:timers/promises';
import type { StepContext, StepOptions, Steps } from '@opspawn/agentkit';
import { defineConfig, defineFunction, type WorkerStartOptions } from '@opspawn/ops-core';
import type { LedgerClient } from './ledger.ts';

export const functionName = 'verify';
/** What a task comes to. */
export const expectedOutput = 45;

/** So long a step takes at least, so that a fault finds tasks in the middle of any of them, however fast the machine is. */
const stepMs = 10;

/** Ten small steps, the sixth of which must not be repeated. */
export const tenSteps = (queue: string) =>
  defineConfig({
    functions: [
      defineFunction({
        name: functionName,
        queue,
        async run(ctx) {
          let sum = 0;
          for (let i = 0; i < 10; i += 1) {
            const step = () => sleep(stepMs, i);
            sum += await ctx.step(`step ${i}`, step, i === 5 ? { effect: 'once' } : {});
          }
          return sum;
        },
      }),
    ],
  });

/** Steps whose effect is an entry in the ledger. */
export const ledgerSteps =
  (ledger: LedgerClient): NonNullable<WorkerStartOptions['wrapSteps']> =>
  (steps, { taskId, attempt }) => {
    const entered =
      <T>(name: string, fn: (step: StepContext) => T | Promise<T>, { effect }: StepOptions<T>) =>
      async (step: StepContext): Promise<T> => {
        const key = step.idempotencyKey;
        await ledger.say({ said: 'begun', taskId, attempt, key, name, isOnce: effect === 'once' });
        const value = await fn(step);
        await ledger.say({ said: 'done', taskId, attempt, key });
        return value;
      };
    const run: Steps['run'] = (name, fn, options = {}) =>
      steps.run(name, entered(name, fn, options), options);
    return new Proxy(steps, {
      get(target, key) {
        if (key === 'run') return run;
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
