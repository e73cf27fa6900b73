// DBOS: a client enqueues workflows, this process dispatches them. It records the beginning and the end of each.
// JavaScript, because its package is there only once a benchmark has installed it, and types are checked without.
import { setTimeout as sleep } from 'node:timers/promises';
import { DBOS, DBOSClient } from '@dbos-inc/dbos-sdk';
import pg from 'pg';

const queueName = 'noop';
const workflowName = 'noop';
const ignore = () => {};
const logger = { info: ignore, debug: ignore, warn: ignore, error: ignore };
DBOS.registerWorkflow(async () => {}, { name: workflowName });

/** @type {import('./queue.ts').QueueAdapter['open']} */
export async function open(systemDatabaseUrl) {
  DBOS.setConfig({ name: 'bench', systemDatabaseUrl, systemDatabasePoolSize: 20, logger });
  const start = async () => {
    await DBOS.launch();
    await DBOS.registerQueue(queueName, { workerConcurrency: 100, minPollingIntervalMs: 10 });
  };
  // Makes the tables.
  await start();
  await DBOS.shutdown();
  const client = await DBOSClient.create({ systemDatabaseUrl });
  const pool = new pg.Pool({ connectionString: systemDatabaseUrl, max: 1 });
  return {
    submit: (payload) => client.enqueue({ workflowName, queueName }, JSON.parse(payload)),
    work(onDone) {
      let isStopped = false;
      const working = (async () => {
        await start();
        for (let count = 0; !isStopped; await sleep(20)) {
          const { rows } = await pool.query(
            "select count(*)::int as done from dbos.workflow_status where status = 'SUCCESS'",
          );
          onDone(rows[0].done - count);
          count = rows[0].done;
        }
        await DBOS.shutdown();
      })();
      return {
        async [Symbol.asyncDispose]() {
          isStopped = true;
          await working;
        },
      };
    },
    async [Symbol.asyncDispose]() {
      await client.destroy();
      await pool.end();
    },
  };
}
