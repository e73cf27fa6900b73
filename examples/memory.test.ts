import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

test('what was said of one user is found by meaning, and by nobody else', async () => {
  const path = fileURLToPath(new URL('memory.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [path], { env: { PATH: process.env.PATH } });
  const [ada = '', bob = ''] = stdout.split('\n');
  assert.match(ada, /Ada takes tea with lemon/);
  assert.match(bob, /"memories":\[\]/);
});
