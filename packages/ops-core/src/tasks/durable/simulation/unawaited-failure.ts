/** Run as a process of its own: a step fails while its function sleeps, before anybody awaits it. */
import { ambientTaskId } from '../ambient.ts';
import { attempt, delay, quietTask } from './attempt.ts';

const rejections: string[] = [];
process.on('unhandledRejection', (error) => {
  rejections.push(`${error instanceof Error ? error.message : error} of ${ambientTaskId()}`);
});

const { kind } = await attempt(quietTask(), async (ctx) => {
  const failing = (async () => {
    await ctx.step('bad', () => Promise.reject(new Error('boom')), { retry: { maxAttempts: 1 } });
  })();
  await ctx.sleep(1_000);
  await failing;
});
await delay(5);
process.stdout.write(JSON.stringify({ rejections, outcome: kind }));
