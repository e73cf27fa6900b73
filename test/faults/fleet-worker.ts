/** A worker of a fleet in a process of its own. Every step that it runs is in its ledger. Works until it is told to stop. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readSettings } from '../../packages/ops-core/src/config.ts';
import { startWorker } from '../../packages/ops-core/src/start/start.ts';
import { untilStopped } from '../../packages/ops-core/src/start/until-stopped.ts';
import { defineFunction } from '../../packages/ops-core/src/tasks/definitions/definition.ts';
import { defineConfig } from '../../packages/ops-core/src/tasks/definitions/user-config.ts';
import { ledgerSteps } from '../crash/kill-points.ts';
import { Ledger } from '../crash/ledger.ts';

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: '' },
    database: { type: 'string', default: '' },
    broker: { type: 'string', default: '' },
  },
});
const ledger = new Ledger(join(values.folder, 'ledger'));

const fiveSteps = defineFunction({
  name: 'five-steps',
  async run(ctx) {
    let sum = 0;
    for (let i = 0; i < 5; i += 1) sum += await ctx.step(`step ${i}`, () => i);
    return sum;
  },
});

await using _worker = await startWorker({
  settings: {
    ...readSettings({
      OPSPAWN_DATA_DIR: values.folder,
      OPSPAWN_DATABASE_URL: values.database,
      OPSPAWN_BROKER_URL: values.broker,
    }),
    logLevel: 'error',
    capacity: 10,
    leaseTtlMs: 2_000,
  },
  loaded: { path: import.meta.filename, config: defineConfig({ functions: [fiveSteps] }) },
  wrapSteps: (steps, task) => ledgerSteps(steps, task, { ledger, point: undefined }),
});
process.stdout.write('ready\n');
await untilStopped();
