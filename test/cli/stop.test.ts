import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createClient } from '@opspawn/sdk';
import { eventually, opspawn, startOpspawn } from './opspawn-process.ts';

const source = `import { defineConfig, defineFunction } from '@opspawn/ops-core';
const deaf = defineFunction({ name: 'deaf', run: (ctx) => ctx.step('s', () => new Promise((done) => setTimeout(done, 1e9))) });
export default defineConfig({ functions: [deaf] });`;

it('SIGTERM ends a process also when a step does not heed its signal', async (t) => {
  const cwd = mkdtempSync(join(tmpdir(), 'opspawn-stop-'));
  t.after(() => rmSync(cwd, { recursive: true }));
  symlinkSync(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(cwd, 'node_modules'));
  writeFileSync(join(cwd, 'opspawn.config.ts'), source);
  const env = { OPSPAWN_SHUTDOWN_GRACE_MS: '100' };
  const { child, facts } = await startOpspawn<{ url: string }>(['start', '--port', '0'], { cwd, env });
  const run = (...args: string[]) => opspawn(args, { cwd, env: { OPSPAWN_URL: facts.url } });
  const taskId = (await run('run', 'deaf', '--detach')).stdout.trim();
  const { tasks } = createClient({ baseUrl: facts.url });
  await eventually('it runs', async () =>
    (await tasks.get(taskId)).status === 'running' ? true : undefined,
  );
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
});
