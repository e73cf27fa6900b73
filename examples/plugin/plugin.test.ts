import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { opspawn } from '../../test/cli/opspawn-process.ts';

const config = fileURLToPath(new URL('opspawn.config.ts', import.meta.url));
const cwd = mkdtempSync(join(tmpdir(), 'opspawn-plugin-'));
after(() => rmSync(cwd, { recursive: true }));

it('an agent of a config uses the tool, the model and the guardrail of a plugin, whose tool alone knows the shop', async () => {
  const run = await opspawn(['run', 'clerk', 'Where is the milk?', '--watch', '--json', '--config', config], {
    cwd,
  });
  assert.equal(run.code, 0, run.stderr);
  assert.match(run.stdout, /It is on shelf B7\./);
  assert.match(run.stdout, /shelves__find/);
  assert.match(run.stdout, /shelves__helpful/);
  assert.doesNotMatch(run.stdout, /A1/, 'the other shelves are in no journal');
});
