import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Json } from '@opspawn/agentkit';
import { createClient, type Entry, type Task, type WatchEvent } from '@opspawn/sdk';
import { eventually, opspawn, type Service, startOpspawn } from './opspawn-process.ts';

const config = fileURLToPath(new URL('opspawn.config.ts', import.meta.url));
const cwd = mkdtempSync(join(tmpdir(), 'opspawn-cli-'));
const uuid = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;

let server: Service<{ url: string; pid: number; database: string }>;
let worker: Service<{ workerId: string; pid: number }>;
const startWorker = () =>
  startOpspawn<{ workerId: string; pid: number }>(['worker', '--config', config], { cwd });

before(async () => {
  server = await startOpspawn(['server', '--port', '0'], { cwd });
  worker = await startWorker();
});
after(async () => {
  await worker[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  rmSync(cwd, { recursive: true });
});

const run = (...args: string[]) => opspawn(args, { cwd, env: { OPSPAWN_URL: server.facts.url } });

async function json<T>(...args: string[]): Promise<T[]> {
  const { code, stdout, stderr } = await run(...args, '--json');
  assert.equal(code, 0, stderr);
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);
}

/** What is set up or looked up on the way costs no process. */
const tasks = () => createClient({ baseUrl: server.facts.url }).tasks;
const task = (id: string): Promise<Task> => tasks().get(id);
const create = async (name: string, input?: Json): Promise<string> =>
  (await tasks().create({ name, ...(input !== undefined && { input }) })).id;
const submit = async (...args: string[]): Promise<string> =>
  (await run('run', ...args, '--detach')).stdout.trim();
const until = (id: string, status: Task['status']): Promise<Task> =>
  eventually(`${id} ${status}`, async () => {
    const found = await task(id);
    return found.status === status ? found : undefined;
  });

describe('opspawn run', () => {
  it('prints the result on stdout and the talk on stderr', async () => {
    const { code, stdout, stderr } = await run('run', 'greet', '{"who":"you"}');
    assert.deepEqual([code, stdout], [0, 'Hello you\n']);
    assert.match(stderr, /^Task [0-9a-f-]{36}\n$/);
  });

  it('takes its input from a file and from stdin', async () => {
    writeFileSync(join(cwd, 'who.json'), '{"who":"file"}');
    assert.equal((await run('run', 'greet', '--input', '@who.json')).stdout, 'Hello file\n');
    const env = { OPSPAWN_URL: server.facts.url };
    const piped = await opspawn(['run', 'greet', '--input', '-'], { cwd, env, stdin: '{"who":"pipe"}' });
    assert.equal(piped.stdout, 'Hello pipe\n');
  });

  it('with --watch shows every step on stderr', async () => {
    const { stdout, stderr } = await run('run', 'clerk', 'add them', '--watch');
    assert.equal(stdout, 'It is 42.\n');
    assert.match(stderr, / 1 {2}model {4}turn 1 {2}→ add {2}\d+ ms\n/);
    assert.match(stderr, / 2 {2}intent {3}add {2}about to run {"a":20,"b":22}\n/);
    assert.match(stderr, / 3 {2}tool {5}add {2}{"a":20,"b":22} {2}\d+ ms\n/);
    assert.match(stderr, / 5 {2}task {5}completed {2}It is 42\.\n/);
  });

  it('with --watch --json gives every event on stdout, the finished task last', async () => {
    const events = await json<WatchEvent>('run', 'greet', '{"who":"you"}', '--watch');
    assert.deepEqual(events.filter(({ type }) => type === 'entry').length, 2);
    const last = events.at(-1)!;
    assert.equal(last.type === 'end' && last.data.output, 'Hello you');
  });

  it('with --json gives the finished task', async () => {
    const [finished] = await json<Task>('run', 'greet', '{"who":"you"}');
    assert.equal(finished?.output, 'Hello you');
    assert.equal(finished?.status, 'completed');
  });

  it('with an idempotency key runs once, and refuses the key for another request', async () => {
    const first = await submit('greet', '{"who":"you"}', '--idempotency-key', 'k');
    assert.equal(await submit('greet', '{"who":"you"}', '--idempotency-key', 'k'), first);
    const { code, stderr } = await run('run', 'greet', '{"who":"me"}', '--idempotency-key', 'k');
    assert.equal(code, 5);
    assert.match(stderr, /\[idempotency_conflict\]/);
  });

  it('names what is known when the name is not', async () => {
    const { code, stderr } = await run('run', 'nobody', 'x');
    assert.equal(code, 2);
    assert.match(stderr, /Known: .*agent clerk.*function greet/);
  });

  it('names the path of what is wrong with the input', async () => {
    const { code, stderr } = await run('run', 'greet', '{"who":1}');
    assert.equal(code, 2);
    assert.match(stderr, /\/input\/who/);
    assert.doesNotMatch(stderr, /Known:/);
  });

  it('exits with the code of the error that ended the task', async () => {
    const { code, stdout, stderr } = await run('run', 'fragile');
    assert.deepEqual([code, stdout], [5, '']);
    assert.match(
      stderr,
      /failed: It is broken \[wrong_state\]\nSee what happened with: opspawn task journal/,
    );
  });
});

describe('opspawn task', () => {
  it('list shows a table, and with --json one task a line', async () => {
    const id = await create('greet', { who: 'you' });
    await until(id, 'completed');
    const { stdout } = await run('task', 'list', '--name', 'greet', '--limit', '3');
    const [header = '', ...rows] = stdout.trimEnd().split('\n');
    assert.match(header, /^ID +STATUS +KIND +NAME +AGE +ATTEMPT +ENTRIES$/);
    assert.equal(rows.length, 3);
    assert.match(rows[0] ?? '', new RegExp(`^${id} +completed +function +greet +\\S+ \\S+ +1 +2$`));
    const tasks = await json<Task>('task', 'list', '--status', 'completed', 'failed', '--limit', '2');
    assert.equal(tasks.length, 2);
  });

  it('list says on stderr that there are none', async () => {
    const { code, stdout, stderr } = await run('task', 'list', '--name', 'nobody');
    assert.deepEqual([code, stdout, stderr], [0, '', 'No tasks.\n']);
  });

  it('get, signal and watch follow a waiting task to its end', async () => {
    const id = await submit('patient');
    assert.match(id, uuid);
    await until(id, 'waiting');
    assert.deepEqual(await json<Task>('task', 'get', id), [await task(id)]);
    assert.match(
      (await run('task', 'get', id)).stdout,
      new RegExp(`waits +for signal go\\n +opspawn task signal ${id} go`),
    );
    const signalled = await run('task', 'signal', id, 'go', '--payload', '{"n":7}');
    assert.deepEqual([signalled.code, signalled.stdout], [0, `${id} got the signal go\n`]);
    const { code, stdout, stderr } = await run('task', 'watch', id);
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout), { answer: { n: 7 } });
    assert.match(stderr, /waits {4}signal go\n.*signal {3}go {2}{"n":7}/);
  });

  it('journal shows what is recorded, whole with --json, and goes on after a seq', async () => {
    const id = await create('clerk', 'add them');
    await until(id, 'completed');
    const { stdout } = await run('task', 'journal', id);
    assert.match(stdout, /^SEQ +AT +ATTEMPT +KIND +WHAT +TOOK +DETAIL\n1 /);
    const entries = await json<Entry>('task', 'journal', id, '--after', '2');
    assert.deepEqual(
      entries.map(({ seq, type }) => [seq, type]),
      [
        [3, 'step.completed'],
        [4, 'step.completed'],
        [5, 'task.completed'],
      ],
    );
    assert.match((await run('task', 'journal', id, '--full')).stdout, /"type": "step\.completed"/);
  });

  it('cancel ends a waiting task, whose watcher exits with 7', async () => {
    const id = await create('patient');
    await until(id, 'waiting');
    const watching = run('task', 'watch', id);
    assert.equal((await run('task', 'cancel', id, '--reason', 'not needed')).code, 0);
    const { code, stderr } = await watching;
    assert.equal(code, 7);
    assert.match(stderr, /is cancelled\./);
    assert.equal((await run('task', 'pause', id)).code, 5);
  });

  it('pause stops a task until resume', async () => {
    const id = await create('patient');
    await until(id, 'waiting');
    await run('task', 'pause', id);
    await until(id, 'paused');
    await run('task', 'signal', id, 'go');
    assert.equal((await task(id)).status, 'paused');
    assert.equal((await run('task', 'resume', id)).code, 0);
    assert.deepEqual((await until(id, 'completed')).output, { answer: null });
  });

  it('approve and deny decide, with a comment', async () => {
    const ids = await Promise.all([create('approved'), create('approved')]);
    await Promise.all(ids.map((id) => until(id, 'waiting')));
    assert.equal((await run('task', 'approve', ids[0]!, 'approval:spend', '--comment', 'fine')).code, 0);
    assert.equal((await run('task', 'deny', ids[1]!, 'approval:spend')).code, 0);
    assert.deepEqual((await until(ids[0]!, 'completed')).output, { isApproved: true, comment: 'fine' });
    assert.deepEqual((await until(ids[1]!, 'completed')).output, { isApproved: false, comment: null });
  });

  it('retry makes a failed task pending again', async () => {
    const id = await create('fragile');
    await until(id, 'failed');
    writeFileSync(join(cwd, 'repaired'), '');
    assert.equal((await run('task', 'retry', id)).code, 0);
    assert.equal((await until(id, 'completed')).output, 'whole');
  });

  it('Ctrl-C while watching stops watching and leaves the task alone', async () => {
    const id = await create('patient');
    await until(id, 'waiting');
    const env = { OPSPAWN_URL: server.facts.url };
    const { code, stderr } = await opspawn(['task', 'watch', id], { cwd, env, interruptAt: 'waits' });
    assert.equal(code, 0);
    assert.match(stderr, /Stopped watching; task .* goes on/);
    assert.equal((await task(id)).status, 'waiting');
  });
});

describe('an effect in doubt', () => {
  for (const [option, expected] of [
    [['--result', '"receipt 17"'], 'receipt 17'],
    [['--retry'], 'paid again'],
    [['--fail', 'the bank knows nothing of it'], undefined],
  ] as const) {
    it(`waits after the worker was killed, and is resolved by ${option[0]}`, async () => {
      rmSync(join(cwd, 'paid'), { force: true });
      const died = once(worker.child, 'exit');
      const id = await create('deadly');
      await died;
      assert.ok(existsSync(join(cwd, 'paid')));
      worker = await startWorker();
      await until(id, 'waiting');
      const { stdout } = await run('task', 'get', id);
      assert.match(
        stdout,
        new RegExp(`waits +for doubt pay\\n.*opspawn task resolve ${id} pay --retry`, 's'),
      );
      assert.equal((await run('task', 'resolve', id, 'pay', ...option)).code, 0);
      if (expected === undefined)
        assert.match((await until(id, 'failed')).error?.message ?? '', /knows nothing/);
      else assert.equal((await until(id, 'completed')).output, expected);
    });
  }
});

describe('on a data folder', () => {
  it('tasks can be read without the server that wrote them', async () => {
    const [first] = await json<Task>('task', 'list', '--limit', '1');
    const { code, stdout } = await opspawn(
      ['task', 'journal', first!.id, '--data', dirname(server.facts.database)],
      {
        cwd,
      },
    );
    assert.equal(code, 0);
    assert.match(stdout, /^SEQ /);
  });

  it('--data goes before OPSPAWN_URL', async () => {
    const env = { OPSPAWN_URL: 'http://127.0.0.1:9' };
    const { code, stderr } = await opspawn(['task', 'list', '--data', dirname(server.facts.database)], {
      cwd,
      env,
    });
    assert.equal(code, 0, stderr);
  });

  it('a run in this process that is interrupted is kept there', async () => {
    const args = ['run', 'patient', '--watch', '--data', 'own', '--config', config];
    const { code, stderr } = await opspawn(args, { cwd, interruptAt: 'waits' });
    assert.equal(code, 0, stderr);
    assert.match(
      stderr,
      /Stopping: the task is kept in .*own\/opspawn\.db and goes on when a worker runs on it\./,
    );
    const { stdout } = await opspawn(['task', 'list', '--data', 'own', '--name', 'patient'], { cwd });
    assert.match(stdout, /waiting: signal +workflow +patient/);
  });

  it('run works in this process when it is told to, and says so', async () => {
    const args = ['run', 'greet', '{"who":"me"}', '--embedded', '--data', 'own', '--config', config];
    const { code, stdout, stderr } = await opspawn(args, { cwd });
    assert.deepEqual([code, stdout], [0, 'Hello me\n']);
    assert.match(stderr, /running in this process on .*own\/opspawn\.db\n/);
    const detached = await opspawn([...args, '--detach'], { cwd });
    assert.equal(detached.code, 2);
    assert.match(detached.stderr, /--detach needs a server/);
  });
});

describe('opspawn limit and opspawn task why', () => {
  it('hold a task back, say so, and let it go', async () => {
    await run('limit', 'set', 'cli/key 1', '--max-running', '0', '--rate', '100/1m');
    const id = await submit('greet', '{"who":"you"}', '--concurrency-key', 'cli/key 1', '--priority', '2');
    assert.equal((await task(id)).priority, 2);
    const { stdout } = await run('task', 'why', id);
    assert.match(
      stdout,
      /^limit +The key "cli\/key 1" has the limit 0, which lets no task start, and this one waits$/m,
    );
    assert.match((await run('limit', 'list')).stdout, /cli\/key 1 +0 at once, 100 in 1 min 0 s +0 +1/);
    assert.match((await run('limit', 'delete', 'cli/key 1')).stdout, /has the limits that its tasks name/);
    await until(id, 'completed');
    assert.equal((await run('limit', 'delete', 'cli/key 1')).code, 4);
    assert.equal((await run('limit', 'set', 'x', '--rate', 'often')).code, 2);
    assert.match((await run('limit', 'set', 'x', '--unlimited')).stdout, /^limit +none$/m);
  });

  it('name the commands that look further or let a task go', async () => {
    const commandsOf = async (id: string): Promise<string[]> =>
      (await run('task', 'why', id)).stdout
        .split('\n')
        .flatMap((line) => line.match(/^ +(opspawn .*)$/)?.[1] ?? []);
    rmSync(join(cwd, 'repaired'), { force: true });
    const failed = await submit('fragile');
    await until(failed, 'failed');
    assert.deepEqual(await commandsOf(failed), [
      `opspawn task journal ${failed}`,
      `opspawn task retry ${failed}`,
    ]);
    const asking = await submit('approved');
    await until(asking, 'waiting');
    assert.deepEqual(await commandsOf(asking), [`opspawn task approve ${asking} approval:spend`]);
    await run('task', 'pause', asking);
    assert.deepEqual(await commandsOf(asking), [`opspawn task resume ${asking}`]);
    const [first, second] = [
      await submit('patient', '--session', 'talk'),
      await submit('patient', '--session', 'talk', '--queue', 'nobodys'),
    ];
    await until(first, 'waiting');
    assert.deepEqual(await commandsOf(first), [`opspawn task signal ${first} go`]);
    assert.deepEqual(await commandsOf(second), [
      `opspawn task why ${first}`,
      'opspawn worker --config FILE --queues nobodys',
    ]);
    for (const id of [second, first, asking]) await run('task', 'cancel', id);
  });

  it('tell when a delayed task is due', async () => {
    const id = await submit('greet', '{"who":"you"}', '--delay', '1h');
    assert.equal(
      (await json<{ reasons: { code: string }[] }>('task', 'why', id))[0]?.reasons[0]?.code,
      'due_later',
    );
    await run('task', 'cancel', id);
  });
});

describe('opspawn session', () => {
  it('says of a session of which nothing is known that there is none', async () => {
    for (const verb of ['get', 'delete']) {
      const { code, stdout, stderr } = await run('session', verb, 'misspelt');
      assert.deepEqual([code, stdout], [4, ''], verb);
      assert.match(stderr, /Session misspelt does not exist \[not_found\]/);
    }
    await until(await submit('greet', '{"who":"you"}', '--session', 'known'), 'completed');
    assert.match((await run('session', 'get', 'known')).stdout, /^session +known\nruns +0$/m);
    assert.equal((await run('session', 'delete', 'known')).code, 0);
  });
});
