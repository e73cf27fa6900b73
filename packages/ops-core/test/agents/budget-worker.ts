/** A worker of its own process: `budget-worker.ts FOLDER REQUESTS_PER_MINUTE`; the database and the vendor by the environment. */
import { join } from 'node:path';
import { defineAgent } from '@opspawn/agentkit';
import { readSettings } from '../../src/config.ts';
import { createLog } from '../../src/observe/log.ts';
import { startWorker } from '../../src/start/start.ts';
import { defineConfig } from '../../src/tasks/definitions/user-config.ts';

const [folder = '', requestsPerMinute = '1'] = process.argv.slice(2);
const agent = defineAgent({ name: 'caller', instructions: 'Say ok.', model: 'compatible/m' });
const config = defineConfig({
  agents: [agent],
  models: { bounds: { compatible: { requestsPerMinute: Number(requestsPerMinute) } } },
});
const settings = { ...readSettings({ OPSPAWN_DATA_DIR: folder, ...process.env }), leaseTtlMs: 2_000 };
await startWorker({
  settings: { ...settings, capacity: 6 },
  log: createLog({ level: 'silent' }),
  loaded: { path: join(folder, 'opspawn.config.ts'), config },
});
process.stdout.write('ready\n');
