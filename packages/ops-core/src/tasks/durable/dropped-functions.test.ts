import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';

it('1,000 functions that were suspended and dropped are garbage, with all that they held', () => {
  const script = fileURLToPath(new URL('./simulation/dropped-functions.ts', import.meta.url));
  const { stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', script], { encoding: 'utf8' });
  assert.equal(stdout, JSON.stringify({ count: 1_000, collected: 1_000 }), stderr);
});
