import type { Queue } from './queue.ts';

const callers = 50;

/** A JSON text of 200 bytes. */
export const payload = (): string => JSON.stringify({ text: 'x'.repeat(189) });

/** One by one, by 50 callers, each waiting until its task is durable. */
export async function submitAll(queue: Queue, tasks: number): Promise<void> {
  let left = tasks;
  const caller = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await queue.submit(payload());
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
}

/** Until so many are recorded as done. */
export async function runAll(queue: Queue, tasks: number): Promise<void> {
  let done = 0;
  const all = Promise.withResolvers<void>();
  const working = queue.work((count) => {
    done += count;
    if (done === tasks) all.resolve();
  });
  await all.promise;
  await working[Symbol.asyncDispose]();
}

export async function perSecond(tasks: number, work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (tasks / (performance.now() - startedAt)) * 1000;
}

/** Submitted and run at the same time. */
export const perSecondOfBoth = (queue: Queue, tasks: number): Promise<number> =>
  perSecond(tasks, () => Promise.all([submitAll(queue, tasks), runAll(queue, tasks)]));
