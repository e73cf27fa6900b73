/** Where a process kills itself: at a write of a task's owner, or in the middle of a step of that task. */
import type { StepContext, StepOptions, Steps } from '@opspawn/agentkit';
import { interceptStore } from '../../packages/ops-core/src/storage/faults/intercept.ts';
import type { ClaimedTask, Store, Write } from '../../packages/ops-core/src/storage/store.ts';
import type { Ledger } from './ledger.ts';

/** `at` counts from 1, within the process. `mid-step` kills after the effect and before its result is on its way. */
export interface KillPoint {
  taskId: string;
  where: 'before-write' | 'after-write' | 'mid-step';
  at: number;
}

export const killSelf = (): Promise<never> => {
  process.kill(process.pid, 'SIGKILL');
  // The signal is on its way: nothing more must happen here.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  return new Promise<never>(() => {});
};

/** The store, which kills the process before or after the n-th write that the owner of that task makes. */
export function withKillPoint(store: Store, point: KillPoint | undefined): Store {
  if (point === undefined || point.where === 'mid-step') return store;
  let writes = 0;
  return interceptStore(store, async (method, args, call) => {
    const write = method === 'write' ? (args[0] as Write) : undefined;
    const isOurs = write !== undefined && 'owner' in write && write.owner.taskId === point.taskId;
    const isPoint = isOurs && ++writes === point.at;
    if (isPoint && point.where === 'before-write') await killSelf();
    const result = await call();
    if (isPoint) await killSelf();
    return result;
  });
}

/** Steps that enter in the ledger what really runs, and kill the process in the middle of the n-th of that task. */
export function ledgerSteps(
  steps: Steps,
  { taskId, attempt }: ClaimedTask,
  { ledger, point }: { ledger: Ledger; point: KillPoint | undefined },
): Steps {
  let begun = 0;
  const run: Steps['run'] = (name, fn, options) => steps.run(name, entered(name, fn, options), options);
  const entered =
    <T>(name: string, fn: (step: StepContext) => T | Promise<T>, options: StepOptions<T> = {}) =>
    async (step: StepContext): Promise<T> => {
      const key = step.idempotencyKey;
      const { effect = 'idempotent' } = options;
      ledger.write({ said: 'begun', taskId, attempt, key, name, effect });
      const value = await fn(step);
      ledger.write({ said: 'done', taskId, attempt, key, value });
      begun += 1;
      if (point?.where === 'mid-step' && point.taskId === taskId && begun === point.at) await killSelf();
      return value;
    };
  return new Proxy(steps, {
    get(target, key) {
      if (key === 'run') return run;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
