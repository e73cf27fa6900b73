import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Spending, Task } from '@opspawn/sdk';
import { opspawn, type Service, startOpspawn } from '../../test/cli/opspawn-process.ts';

const config = fileURLToPath(new URL('opspawn.config.ts', import.meta.url));
const cwd = mkdtempSync(join(tmpdir(), 'opspawn-spending-'));

let server: Service<{ url: string }>;
before(async () => {
  server = await startOpspawn(['start', '--port', '0', '--config', config], { cwd });
});
after(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(cwd, { recursive: true });
});

const run = (...args: string[]) => opspawn(args, { cwd, env: { OPSPAWN_URL: server.facts.url } });
const lines = <T>(stdout: string): T[] =>
  stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);

describe('a researcher with ten readers', () => {
  it('runs to its end with enough, and what it cost is added up', async () => {
    const { code, stderr } = await run('run', 'researcher', 'go', '--max-cost', '0.50', '--session', 's');
    assert.equal(code, 0, stderr);
    const spending = lines<Spending>((await run('spending', '--by', 'agent', '--json')).stdout);
    assert.deepEqual(spending.map(({ name }) => name).sort(), ['reader', 'researcher']);
    assert.match(
      (await run('session', 'get', 's')).stdout,
      /^session {2}s\nruns {5}1\ntokens {3}\d+ in, \d+ out\n/,
    );
    assert.match((await run('session', 'list')).stdout, /^SESSION +INPUT +OUTPUT +COST +LAST\ns +\d+/);
    assert.equal((await run('session', 'delete', 's')).code, 0);
    assert.match((await run('session', 'get', 's')).stdout, /runs {5}0\n/);
    assert.equal((await run('session', 'list')).stderr, 'No session is kept that has cost anything.\n');
  });

  it('ends over budget with less, and says so', async () => {
    const { code, stderr } = await run('run', 'researcher', 'go', '--max-tokens', '200');
    assert.equal(code, 9, stderr);
    const [task] = lines<Task>(
      (await run('task', 'list', '--name', 'researcher', '--status', 'failed', '--json')).stdout,
    );
    assert.deepEqual([task?.error?.code, task?.error?.details?.allowed], ['budget_exceeded', 200]);
  });

  it('is refused a budget that is none', async () => {
    for (const amount of ['0', '-1', 'lots']) {
      const { code, stderr } = await run('run', 'researcher', 'go', '--max-cost', amount);
      assert.deepEqual([code, /--max-cost/.test(stderr)], [2, true]);
    }
  });
});

describe('opspawn provider', () => {
  it('sets, lists and deletes what the keys of a provider may send', async () => {
    assert.match((await run('provider', 'list')).stderr, /^No provider has a budget\.\n/);
    const set = await run('provider', 'set', 'openai', '--requests-per-minute', '500');
    assert.match(
      set.stdout,
      /^Each key of openai may send 500 requests and any number of tokens in a minute\n/,
    );
    assert.match(
      (await run('provider', 'list')).stdout,
      /^KEY +REQUESTS +TOKENS +WAITING\nopenai:\* +0 of 500 +0 +0/,
    );
    assert.equal((await run('provider', 'delete', 'openai')).code, 0);
    assert.equal((await run('provider', 'delete', 'openai')).code, 4);
    assert.equal((await run('provider', 'set', 'Open AI', '--requests-per-minute', '1')).code, 2);
  });
});
