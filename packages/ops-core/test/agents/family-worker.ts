/** A worker of its own process, with a function that hands work on to many agents: `family-worker.ts FOLDER`; database and vendor by the environment. */
import { join } from 'node:path';
import { defineAgent } from '@opspawn/agentkit';
import { readSettings } from '../../src/config.ts';
import { createLog } from '../../src/observe/log.ts';
import { startWorker } from '../../src/start/start.ts';
import { defineFunction } from '../../src/tasks/definitions/definition.ts';
import { defineConfig } from '../../src/tasks/definitions/user-config.ts';

const [folder = ''] = process.argv.slice(2);
const helper = defineAgent({
  name: 'helper',
  instructions: 'Say ok.',
  model: 'compatible/m',
  modelOptions: { maxOutputTokens: 100 },
});
/** A function with agents below it, which knows how to go on without those that the budget does not suffice for. */
const team = defineFunction({
  name: 'team',
  run: async (ctx) => {
    const ends = await ctx.map(
      Array.from({ length: 12 }, (_, n) => n),
      async (n) => {
        try {
          return await ctx.agent('helper', { prompt: `part ${n}` });
        } catch (thrown) {
          return (thrown as { code?: string }).code ?? 'unknown';
        }
      },
    );
    return ends as string[];
  },
});
const settings = { ...readSettings({ OPSPAWN_DATA_DIR: folder, ...process.env }), leaseTtlMs: 2_000 };
await startWorker({
  settings: { ...settings, capacity: 6 },
  log: createLog({ level: 'silent' }),
  loaded: {
    path: join(folder, 'opspawn.config.ts'),
    config: defineConfig({ agents: [helper], functions: [team] }),
  },
});
process.stdout.write('ready\n');
