/** A worker process that kills itself at the point that it is given. Works until it is told to stop. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { localPrincipal } from '../../packages/ops-core/src/auth/principal.ts';
import { startWorker } from '../../packages/ops-core/src/start/start.ts';
import { untilStopped } from '../../packages/ops-core/src/start/until-stopped.ts';
import { testSettings } from '../../packages/ops-core/test/opspawn.ts';
import { type KillPoint, ledgerSteps, withKillPoint } from './kill-points.ts';
import { Ledger } from './ledger.ts';
import { crashConfig } from './shapes.ts';

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: '' },
    /** A KillPoint as JSON. */
    point: { type: 'string' },
    /** Ten-step tasks that it submits itself. */
    submit: { type: 'string', default: '0' },
    leaseTtlMs: { type: 'string', default: '15000' },
    graceMs: { type: 'string', default: '0' },
  },
});
const point = values.point === undefined ? undefined : (JSON.parse(values.point) as KillPoint);
const ledger = new Ledger(join(values.folder, 'ledger'));

await using worker = await startWorker({
  settings: testSettings(values.folder, {
    logLevel: 'warn',
    leaseTtlMs: Number(values.leaseTtlMs),
    shutdownGraceMs: Number(values.graceMs),
  }),
  loaded: { path: import.meta.filename, config: crashConfig },
  wrapStore: (store) => withKillPoint(store, point),
  wrapSteps: (steps, task) => ledgerSteps(steps, task, { ledger, point }),
  durable: { lingerMs: 0, graceMs: 200 },
});
process.stdout.write('ready\n');
await Promise.all(
  Array.from({ length: Number(values.submit) }, async () => {
    const { task } = await worker.engine.submit(localPrincipal, { name: 'ten-steps' });
    ledger.write({ said: 'accepted', taskId: task.id });
  }),
);
process.stdout.write('submitted\n');
await untilStopped();
