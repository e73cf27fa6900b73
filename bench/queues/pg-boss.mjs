// pg-boss, by four loops that fetch and complete 100 jobs at a time and pause for a moment while there are none: faster
// than its own worker, which polls twice a second at most.
// JavaScript, because its package is there only once a benchmark has installed it, and types are checked without.
import { setTimeout as sleep } from 'node:timers/promises';
import { PgBoss } from 'pg-boss';

const queue = 'noop';
const pauseMs = 2;

/** @type {import('./queue.ts').QueueAdapter['open']} */
export async function open(connectionString) {
  const boss = new PgBoss({ connectionString, max: 20, supervise: false, schedule: false });
  boss.on('error', (error) => {
    throw error;
  });
  await boss.start();
  await boss.createQueue(queue);
  return {
    submit: (payload) => boss.send(queue, JSON.parse(payload)),
    work(onDone) {
      let isStopped = false;
      const loop = async () => {
        while (!isStopped) {
          const jobs = await boss.fetch(queue, { batchSize: 100 });
          if (jobs.length === 0) await sleep(pauseMs);
          else
            await boss.complete(
              queue,
              jobs.map(({ id }) => id),
            );
          onDone(jobs.length);
        }
      };
      const loops = Promise.all([loop(), loop(), loop(), loop()]);
      return {
        async [Symbol.asyncDispose]() {
          isStopped = true;
          await loops;
        },
      };
    },
    async [Symbol.asyncDispose]() {
      await boss.stop({ graceful: false });
    },
  };
}
