import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createClient } from '@opspawn/sdk';
import {
  createEmptyDatabase,
  skipWithoutPostgres,
  type TestDatabase,
} from '../../packages/ops-core/test/postgres/test-database.ts';
import { eventually, opspawn, type Service, startOpspawn } from './opspawn-process.ts';

const config = fileURLToPath(new URL('opspawn.config.ts', import.meta.url));
const cwd = mkdtempSync(join(tmpdir(), 'opspawn-cli-'));
after(() => rmSync(cwd, { recursive: true }));

const json = <T>(text: string): T => JSON.parse(text) as T;

describe('on PostgreSQL', { skip: skipWithoutPostgres }, () => {
  let database: TestDatabase;
  before(async () => {
    database = await createEmptyDatabase();
  });
  after(() => database[Symbol.asyncDispose]());

  it('a database says what it is before and after it is migrated, and which key was made', async () => {
    const args = ['--database', database.url, '--json'];
    const fresh = json<{ schema: object }>((await opspawn(['db', 'status', ...args], { cwd })).stdout);
    assert.deepEqual(fresh.schema, { version: 0, known: 1, pending: [1] });
    const migrated = await opspawn(['db', 'migrate', ...args], { cwd });
    assert.ok(!migrated.stdout.includes(`:${new URL(database.url).password}@`));
    const { schema, tasks } = json<{ schema: object; tasks: { pending: number } }>(migrated.stdout);
    assert.deepEqual(schema, { version: 1, known: 1, pending: [] });
    assert.equal(tasks.pending, 0);
    const doctor = await opspawn(['doctor', '--config', config, ...args], { cwd });
    assert.match(doctor.stdout, /"check":"database","state":"ok","detail":"[^"]*PostgreSQL/);
  });

  it('a server and workers with nothing but its URL run tasks, and a deploy takes none from them', async () => {
    const env = { OPSPAWN_DATABASE_URL: database.url };
    await using server = await startOpspawn<{ url: string }>(['server', '--port', '0'], { cwd, env });
    const worker = (): Promise<Service<object>> =>
      startOpspawn(['worker', '--config', config, '--capacity', '10'], { cwd, env });
    const old = await worker();
    const at = { cwd, env: { OPSPAWN_URL: server.facts.url } };
    assert.equal((await opspawn(['run', 'greet', '{"who":"you"}'], at)).stdout, 'Hello you\n');
    const { id } = json<{ id: string }>((await opspawn(['run', 'patient', '--detach', '--json'], at)).stdout);
    const watched = opspawn(['task', 'watch', id, '--json'], at);
    await eventually('the wait', async () => {
      const { status } = await createClient({ baseUrl: server.facts.url }).tasks.get(id);
      return status === 'waiting' ? true : undefined;
    });
    await using _next = await worker();
    await old[Symbol.asyncDispose]();
    assert.equal((await opspawn(['task', 'signal', id, 'go', '--payload', '7'], at)).code, 0);
    const { stdout, code } = await watched;
    assert.equal(code, 0);
    assert.match(stdout, /"output":\{"answer":7\}/);
  });

  it('a task runs in the command itself, and is found without a server', async () => {
    const args = ['--database', database.url];
    const { stdout } = await opspawn(
      ['run', 'greet', '{"who":"me"}', '--embedded', '--config', config, ...args],
      {
        cwd,
      },
    );
    assert.equal(stdout, 'Hello me\n');
    const listed = await opspawn(['task', 'list', '--json', ...args], { cwd });
    assert.match(listed.stdout, /"name":"greet"/, listed.stderr);
  });

  it('a server that others reach tells its first key once, and wants one from then on', async () => {
    const env = { OPSPAWN_DATABASE_URL: database.url };
    const args = ['server', '--port', '0', '--host', '::ffff:127.0.0.1'];
    await using server = await startOpspawn<{ url: string; firstKey: string }>(args, { cwd, env });
    const { url, firstKey } = server.facts;
    const ask = (key: Record<string, string>) =>
      opspawn(['task', 'list', '--url', url], { cwd, env: { OPSPAWN_URL: url, ...key } });
    const refused = await ask({});
    assert.deepEqual([refused.code, refused.stdout], [3, '']);
    assert.match(refused.stderr, /\[unauthenticated\]\n.*OPSPAWN_API_KEY/);
    assert.equal((await ask({ OPSPAWN_API_KEY: firstKey })).code, 0);
    const made = await opspawn(['key', 'create', '--name', 'ci', '--database', database.url], { cwd });
    assert.equal((await ask({ OPSPAWN_API_KEY: made.stdout.trim() })).code, 0);
    assert.equal((await ask({ OPSPAWN_API_KEY: `${firstKey}x` })).code, 3);
  });
});
