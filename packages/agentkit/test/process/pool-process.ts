/** Starts a call of the `process` tier that never ends, prints its process group's id, and waits to be killed. */
import { createProcessPool } from '../../src/tool/process/process-pool.ts';

const pool = createProcessPool();
const way = process.argv[2] ?? '';
const tell = (): void => void process.stdout.write(`${pool.processes()[0]?.pid}\n`);
await pool.run({
  tool: 'it',
  module: new URL('./behave.ts', import.meta.url),
  memoryMb: 256,
  input: { way },
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
