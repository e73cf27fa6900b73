import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Client, createClient, type Task } from '@opspawn/sdk';
import {
  createTestDatabase,
  skipWithoutPostgres,
} from '../../packages/ops-core/test/postgres/test-database.ts';
import { eventually, opspawn, type Service, startOpspawn } from './opspawn-process.ts';

const config = fileURLToPath(new URL('opspawn.config.ts', import.meta.url));
const main = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'opspawn-move-'));
after(() => rmSync(root, { recursive: true }));

type Running = Service<{ url: string }>;

const start = (cwd: string, env: Record<string, string> = {}): Promise<Running> =>
  startOpspawn(['start', '--port', '0', '--config', config], { cwd, env });

const clientOf = ({ facts }: Running): Client => createClient({ baseUrl: facts.url });

const submit = async (service: Running, name: string): Promise<string> =>
  (await clientOf(service).tasks.create({ name })).id;

const until = (service: Running, id: string, status: Task['status']): Promise<Task> =>
  eventually(`${id} ${status}`, async () => {
    const task = await clientOf(service).tasks.get(id);
    return task.status === status ? task : undefined;
  });

/** Tasks that wait, one that is paused, and one whose worker was killed in the middle of an effect. */
async function leaveOpen(cwd: string) {
  const service = await start(cwd);
  const waiting = await submit(service, 'patient');
  const approved = await submit(service, 'approved');
  const paused = await submit(service, 'patient');
  for (const id of [waiting, approved, paused]) await until(service, id, 'waiting');
  await clientOf(service).tasks.pause(paused);
  const exited = once(service.child, 'exit');
  const doubtful = await submit(service, 'deadly');
  await exited;
  return { waiting, approved, paused, doubtful };
}

/** All of it comes to its end there. */
async function finish(service: Running, open: Awaited<ReturnType<typeof leaveOpen>>): Promise<void> {
  const { waiting, approved, paused, doubtful } = open;
  const { tasks } = clientOf(service);
  const [doubt] = (await until(service, doubtful, 'waiting')).waits;
  assert.equal(doubt?.kind, 'doubt', 'the effect is not done a second time');
  await tasks.resolve(doubtful, { step: doubt.step, action: 'result', result: 'paid' });
  await tasks.resume(paused);
  for (const id of [waiting, paused]) await tasks.signal(id, { name: 'go', data: 1 });
  const [request] = (await tasks.get(approved)).waits;
  await tasks.decide(approved, { step: request?.step ?? '', action: 'approve' });
  assert.deepEqual((await until(service, waiting, 'completed')).output, { answer: 1 });
  assert.deepEqual((await until(service, paused, 'completed')).output, { answer: 1 });
  assert.equal((await until(service, doubtful, 'completed')).output, 'paid');
  assert.deepEqual((await until(service, approved, 'completed')).output, { isApproved: true, comment: null });
}

describe('opspawn db copy', { skip: skipWithoutPostgres }, () => {
  it('moves from SQLite to PostgreSQL, where all tasks go on, and closes the source', async () => {
    const cwd = join(root, 'copy');
    mkdirSync(cwd);
    const open = await leaveOpen(cwd);
    await using database = await createTestDatabase();
    const from = 'sqlite:.opspawn/opspawn.db';
    const moved = await opspawn(['db', 'copy', '--from', from, '--to', database.url, '--json'], { cwd });
    assert.equal(moved.code, 0, moved.stderr);
    assert.equal((JSON.parse(moved.stdout) as { rows: { tasks: number } }).rows.tasks, 4);
    const again = await opspawn(['task', 'list', '--data', '.opspawn'], { cwd });
    assert.equal(again.code, 2);
    assert.match(again.stderr, /was moved to postgres:\/\/opspawn:\*\*\*@/);
    const status = await opspawn(['db', 'status', '--data', '.opspawn'], { cwd });
    assert.match(status.stdout, /^moved +to postgres:.*: nothing is taken here any more$/m);
    const doctor = await opspawn(['doctor', '--data', '.opspawn'], { cwd });
    assert.match(doctor.stdout, /^database +FAILED .* its data was moved to postgres:/m);
    await using service = await start(cwd, { OPSPAWN_DATABASE_URL: database.url });
    await finish(service, open);
  });

  it('moves back, and says so of the database in PostgreSQL too', async () => {
    await using database = await createTestDatabase();
    const back = ['db', 'copy', '--from', database.url, '--to', 'sqlite:back.db', '--json'];
    assert.equal((await opspawn(back, { cwd: root })).code, 0);
    const status = await opspawn(['db', 'status', '--database', database.url], { cwd: root });
    assert.match(status.stdout, /^moved +to .*back\.db at .*: nothing is taken here any more$/m);
    const doctor = await opspawn(['doctor', '--database', database.url], { cwd: root });
    assert.match(doctor.stdout, /^database +FAILED .* its data was moved to .*back\.db/m);
  });

  it('says what is wrong with an address, and makes nothing', async () => {
    const wrong = await opspawn(['db', 'copy', '--from', 'mysql://x', '--to', 'sqlite:y.db'], { cwd: root });
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /--from mysql:\/\/x must be like sqlite:/);
    const missing = await opspawn(['db', 'copy', '--from', 'sqlite:x.db', '--to', 'sqlite:y.db'], {
      cwd: root,
    });
    assert.equal(missing.code, 4);
    assert.equal(existsSync(join(root, 'y.db')), false);
  });
});

describe('opspawn db backup', () => {
  let open: Awaited<ReturnType<typeof leaveOpen>>;
  let busy: Running;
  const cwd = join(root, 'backup');
  before(async () => {
    mkdirSync(cwd);
    open = await leaveOpen(cwd);
    // The config that kills itself does so once in a folder.
    busy = await start(cwd);
    await until(busy, open.doubtful, 'waiting');
  });
  after(() => busy[Symbol.asyncDispose]());

  it('is made while tasks are submitted and run, and what is restored from it goes on', async () => {
    const tasks = Array.from({ length: 200 }, () => ({ name: 'greet', input: { who: 'you' } }));
    let isDone = false;
    const submitting = (async () => {
      while (!isDone) await clientOf(busy).tasks.createMany({ tasks });
    })();
    const backup = await opspawn(['db', 'backup', 'copy.db'], { cwd });
    isDone = true;
    assert.equal(backup.code, 0, backup.stderr);
    await submitting;
    const restored = join(root, 'restored');
    mkdirSync(join(restored, '.opspawn'), { recursive: true });
    copyFileSync(join(cwd, 'copy.db'), join(restored, '.opspawn', 'opspawn.db'));
    await using service = await start(restored);
    await finish(service, open);
  });

  it('says that it is the backup which cannot be written, and leaves nothing there', async () => {
    const nowhere = await opspawn(['db', 'backup', 'nowhere/copy.db'], { cwd });
    assert.deepEqual([nowhere.code, /There is no folder .*nowhere for/.test(nowhere.stderr)], [2, true]);
    const refused = await opspawn(['db', 'backup', '/proc/copy.db'], { cwd });
    assert.deepEqual(
      [refused.code, /The backup \/proc\/copy\.db could not be made: /.test(refused.stderr)],
      [6, true],
    );
    // More than SQLite keeps in memory, so that there is a journal.
    await clientOf(busy).tasks.create({ name: 'greet', input: { who: 'x'.repeat(8_000_000) } });
    const limited = [
      '-c',
      'ulimit -f 6000; exec "$0" "$@"',
      process.execPath,
      main,
      'db',
      'backup',
      'small.db',
    ];
    assert.equal(spawnSync('sh', limited, { cwd }).status, 6);
    assert.deepEqual(
      readdirSync(cwd).filter((name) => name.startsWith('small.db')),
      [],
    );
  });

  it('does not write over a file', async () => {
    const again = await opspawn(['db', 'backup', 'copy.db'], { cwd });
    assert.equal(again.code, 5);
    assert.match(again.stderr, /is there already/);
    assert.equal(existsSync(join(cwd, 'copy.db.partial')), false);
  });
});
