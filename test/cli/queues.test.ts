import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createClient, type Queue, type Why } from '@opspawn/sdk';
import { eventually, opspawn, startOpspawn } from './opspawn-process.ts';

const config = fileURLToPath(new URL('opspawn.config.ts', import.meta.url));

it('a queue that is paused stays so over a restart of all processes, until it is resumed', async (t) => {
  const cwd = mkdtempSync(join(tmpdir(), 'opspawn-queues-'));
  t.after(() => rmSync(cwd, { recursive: true }));
  const open = async () => {
    const server = await startOpspawn<{ url: string }>(['server', '--port', '0'], { cwd });
    const worker = await startOpspawn(['worker', '--config', config, '--queues', 'default,mail'], { cwd });
    const run = (...args: string[]) => opspawn(args, { cwd, env: { OPSPAWN_URL: server.facts.url } });
    const json = async <T>(...args: string[]): Promise<T> => {
      const { code, stdout, stderr } = await run(...args, '--json');
      assert.equal(code, 0, stderr);
      return JSON.parse(stdout.split('\n')[0] ?? '') as T;
    };
    return {
      run,
      json,
      client: createClient({ baseUrl: server.facts.url }),
      async [Symbol.asyncDispose]() {
        await worker[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  };
  let taskId: string;
  {
    await using first = await open();
    assert.equal((await first.json<Queue>('queue', 'weight', 'default', '5')).weight, 5);
    const paused = await first.run('queue', 'pause', 'default', '--reason', 'The bank is closed');
    assert.match(paused.stdout, /^state +paused since .*Z by local: The bank is closed$/m);
    taskId = (await first.run('run', 'greet', '{"who":"you"}', '--detach')).stdout.trim();
  }
  await using second = await open();
  assert.match((await second.run('queue', 'list')).stdout, /^default +paused +5 +1 /m);
  const { reasons } = await second.json<Why>('task', 'why', taskId);
  assert.deepEqual(
    reasons.map(({ code }) => code),
    ['queue_paused'],
  );
  assert.match((await second.run('task', 'why', taskId)).stdout, /^queue_paused {2}It waits until/m);
  assert.equal((await second.json<Queue>('queue', 'resume', 'default')).pause, undefined);
  await eventually('the task ran', async () => {
    const { status } = await second.client.tasks.get(taskId);
    return status === 'completed' ? status : undefined;
  });
  assert.equal((await second.run('queue', 'weight', 'default', '0')).code, 2);
  const misspelt = await second.run('queue', 'pause', 'mial');
  assert.deepEqual(
    [misspelt.code, misspelt.stderr],
    [0, 'Nothing is in the queue mial, and no worker serves it.\n'],
  );
  assert.equal((await second.run('queue', 'pause', 'mial')).stderr, '');
  const mailed = await second.run('run', 'greet', '{"who":"you"}', '--queue', 'mail');
  assert.equal(mailed.code, 0, mailed.stderr);
});
