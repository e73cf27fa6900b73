// graphile-worker, with the batching that its documentation advises for throughput. It deletes jobs that are done.
// JavaScript, because its package is there only once a benchmark has installed it, and types are checked without.
import { Logger, makeWorkerUtils, run } from 'graphile-worker';

const logger = new Logger(() => () => {});
const preset = {
  worker: {
    localQueue: { size: 500 },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
    concurrentJobs: 100,
    pollInterval: 1_000,
  },
};

/** @type {import('./queue.ts').QueueAdapter['open']} */
export async function open(connectionString) {
  const utils = await makeWorkerUtils({ connectionString, logger, maxPoolSize: 20 });
  await utils.migrate();
  return {
    submit: (payload) => utils.addJob('noop', JSON.parse(payload)),
    work(onDone) {
      const noop = () => {};
      const running = run({
        connectionString,
        logger,
        preset,
        maxPoolSize: 20,
        noHandleSignals: true,
        taskList: { noop },
      });
      const listening = running.then((runner) => runner.events.on('job:complete', () => onDone(1)));
      return {
        async [Symbol.asyncDispose]() {
          await listening;
          await (await running).stop();
        },
      };
    },
    async [Symbol.asyncDispose]() {
      await utils.release();
    },
  };
}
