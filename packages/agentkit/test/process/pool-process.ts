/** Starts a call in the tier that is named, prints its process group's id when it says something or ends, and ends. */
import { createProcessPool } from '../../src/tool/process/create-process-pool.ts';

const pool = createProcessPool();
const [way = '', tier = 'process'] = process.argv.slice(2);
const tell = (): void => void process.stdout.write(`${pool.processes()[0]?.pid}\n`);
await pool.run({
  tool: 'it',
  module: new URL('./behave.ts', import.meta.url),
  memoryMb: 256,
  input: { way },
  sandbox: tier === 'sandbox' ? { programs: true } : undefined,
  context: {
    callId: 'c',
    idempotencyKey: 'k',
    secrets: {},
    signal: new AbortController().signal,
    progress: tell,
  },
  maxOutputBytes: 1_000,
});
tell();
