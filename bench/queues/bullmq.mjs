// BullMQ on Redis, whose log is synced once a second: the last second can be lost. It keeps no history here.
// JavaScript, because its package is there only once a benchmark has installed it, and types are checked without.
import { Queue, Worker } from 'bullmq';

/** @type {import('./queue.ts').QueueAdapter['open']} */
export async function open(_file, url) {
  const { hostname: host, port } = new URL(url);
  const connection = { host, port: Number(port), maxRetriesPerRequest: null };
  const name = `noop-${process.pid}-${Date.now()}`;
  const queue = new Queue(name, { connection });
  await queue.waitUntilReady();
  return {
    submit: (payload) => queue.add('noop', JSON.parse(payload), { removeOnComplete: true }),
    work(onDone) {
      const worker = new Worker(name, async () => {}, { connection, concurrency: 100 });
      worker.on('completed', () => onDone(1));
      return { [Symbol.asyncDispose]: () => worker.close(true) };
    },
    async [Symbol.asyncDispose]() {
      await queue.close();
    },
  };
}
