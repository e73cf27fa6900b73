/** A worker process that kills itself at the point that it is given. Works until it is told to stop. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startWorker } from '../../src/start/start.ts';
import { untilStopped } from '../../src/start/until-stopped.ts';
import { testSettings } from '../opspawn.ts';
import { type KillPoint, ledgerSteps, withKillPoint } from './kill-points.ts';
import { Ledger } from './ledger.ts';
import { crashConfig } from './shapes.ts';

const { values } = parseArgs({
  options: { folder: { type: 'string', default: '' }, point: { type: 'string' } },
});
const point = values.point === undefined ? undefined : (JSON.parse(values.point) as KillPoint);
const ledger = new Ledger(join(values.folder, 'ledger'));

await using _worker = await startWorker({
  settings: testSettings(values.folder, { logLevel: 'warn', shutdownGraceMs: 0 }),
  loaded: { path: import.meta.filename, config: crashConfig },
  wrapStore: (store) => withKillPoint(store, point),
  wrapSteps: (steps, task) => ledgerSteps(steps, task, { ledger, point }),
  durable: { lingerMs: 0, graceMs: 200 },
});
ledger.write({ said: 'ready', pid: process.pid });
await untilStopped();
