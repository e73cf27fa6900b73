/**
 * Run as a process of its own with `--expose-gc`: suspends 1,000 functions, each holding an object in its scope, its
 * steps' and its own signal, its branches and its `finally`, and tells how many of the objects could be collected.
 */
import { attempt, quietTask } from './attempt.ts';
import { turns } from './random.ts';

const count = 1_000;
let collected = 0;
const registry = new FinalizationRegistry<number>(() => {
  collected += 1;
});
const ports: unknown[] = [];

async function suspendOne(index: number): Promise<void> {
  const task = quietTask();
  const port = task.claim();
  // What outlives the attempt, as a worker's port does for a while.
  ports.push(port.signal);
  const { kind } = await attempt(
    task,
    async (ctx) => {
      const held = { numbers: new Array(1_000).fill(index) };
      registry.register(held, index);
      ctx.abortSignal.addEventListener('abort', () => held.numbers.pop());
      await ctx.step('a', ({ signal }) => signal.addEventListener('abort', () => held.numbers.pop()));
      try {
        await ctx.all([
          () => ctx.signal('x'),
          () => ctx.race([() => ctx.sleep(1e9), () => ctx.approval('y')]),
        ]);
      } finally {
        held.numbers.pop();
      }
    },
    {},
    port,
  );
  if (kind !== 'suspended') throw new Error(`ended as ${kind}`);
}

for (let i = 0; i < count; i += 100) {
  await Promise.all(Array.from({ length: 100 }, (_, index) => suspendOne(i + index)));
}
for (let i = 0; i < 20 && collected < count; i += 1) {
  globalThis.gc?.();
  await turns(5);
}
process.stdout.write(JSON.stringify({ count: ports.length, collected }));
