import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pg from 'pg';
import { createTestDatabase, skipWithoutPostgres } from '../../../../test/postgres/test-database.ts';
import { newTask } from '../../contract/scenario.ts';
import { pinnedPlans } from '../database/connections.ts';
import { prepareDatabase } from '../database/open-store.ts';
import { plainAppend } from '../writing/append.ts';
import { plainFinish } from '../writing/finish.ts';
import { plainSubmit } from '../writing/submit.ts';
import { claimStatement, encodeClaim } from './claim.ts';

const owner = { taskId: newTask().id, attempt: 1, workerId: 'w' };
const claim = { workerId: 'w', queues: ['default'], limit: 200, attemptTimeoutMs: 1000 };
const ending = { seq: 1, type: 'task.completed' as const };
const append = [{ op: 'append' as const, owner, entries: [{ seq: 1, type: 'log' as const }] }];
const finish = [{ op: 'finish' as const, owner, status: 'completed' as const, entries: [ending] }];
const several = { ...claim, queues: ['default', 'other'] };
const own = { ...several, definitions: ['function noop'] };

let claimNo = 0;
const place = () => ({ floor: 0, claimNo: ++claimNo, after: '' });
const hotStatements = [
  [plainSubmit.statement([]), plainSubmit.encode([newTask()], 0)],
  [plainAppend.statement(append), plainAppend.encode(append, 0)],
  [plainFinish.statement(finish), plainFinish.encode(finish, 0)],
  [claimStatement(claim), encodeClaim(claim, place())],
  [claimStatement(several), encodeClaim(several, place())],
  [claimStatement(own), encodeClaim(own, place())],
] as const;

/** What this connection has read of the tables so far. */
async function countReads(client: pg.Client): Promise<{ scans: number; rows: number }> {
  const { rows } = await client.query<{ scans: number; rows: number }>(
    `select sum(seq_scan)::int as scans, sum(idx_tup_fetch)::int as rows from pg_stat_xact_user_tables
     where relname in ('tasks', 'queue', 'queues', 'journal', 'outcomes', 'inbox')`,
  );
  return rows[0] ?? assert.fail();
}

/** What the statement reads, by the plan that was made for it at first; what it changes is undone. */
async function read(
  client: pg.Client,
  { name, text }: { name: string; text: string },
  values: readonly unknown[],
) {
  await client.query('begin');
  const before = await countReads(client);
  await client.query({ name, text, values: [...values] });
  const after = await countReads(client);
  await client.query('rollback');
  return { scans: after.scans - before.scans, rows: after.rows - before.rows };
}

/** Ready tasks of a hundred namespaces more; a paused queue with many, and many behind a limit, which nobody may look at. */
const crowd = (count: number): string => `
  insert into tasks (namespace, id, kind, name, queue, priority, created_at, input)
    select 'tenant-' || n % 100, gen_random_uuid(), 'function', 'noop', 'default', 5, n, '{}' from generate_series(1, ${count}) n;
  insert into queue (task_id, state, attempt, queue, priority, due_at, failures, namespace, has_children, has_inbox)
    select id, 0, 0, 'default', 5, created_at, 0, namespace, false, false from tasks where namespace <> 'default';
  insert into queues values ('paused', 'default', 1, 1, 'somebody', null);
  insert into queue (task_id, state, attempt, queue, priority, due_at, failures, namespace, has_children, has_inbox)
    select gen_random_uuid(), 0, 0, 'default', 0, n, 0, 'paused', false, false from generate_series(1, ${count}) n;
  insert into queue (task_id, state, attempt, queue, priority, due_at, failures, namespace, has_children, has_inbox,
      limits, blocked_by)
    select gen_random_uuid(), 6, 0, 'default', 0, n, 0, 'default', false, false, '[{"key":"one"}]', 'one'
    from generate_series(1, ${count}) n`;

/** Ready tasks, and ten times as many that have ended; `analyze` as autovacuum may have done, or not yet. */
const fill = (count: number): string => `
  insert into tasks (namespace, id, kind, name, queue, priority, created_at, input)
    select 'default', gen_random_uuid(), 'function', 'noop', 'default', 5, n, '{}' from generate_series(1, ${count * 11}) n;
  insert into queue (task_id, state, attempt, queue, priority, due_at, failures, namespace, has_children, has_inbox)
    select id, 0, 0, 'default', 5, created_at, 0, 'default', false, false from tasks where created_at <= ${count};
  insert into outcomes (task_id, namespace, status, failures, seq, attempt, at)
    select id, namespace, 'completed', 0, 1, 1, created_at from tasks where created_at > ${count}`;
const drain = 'delete from queue';

describe('the plans of the hot statements in PostgreSQL', { skip: skipWithoutPostgres }, () => {
  it('read by index and no more rows than asked for, on empty, filled and drained tables', async () => {
    await using database = await createTestDatabase();
    const searchPath = await prepareDatabase(database.url);
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query(`set search_path = ${searchPath}; ${pinnedPlans}`);
    await client.query(`insert into workers values ('w', '', 1, '', '[]', '[]', 100000, now_ms() + 100000)`);
    try {
      for (const prepare of ['select 1', fill(5000), 'analyze', crowd(5000), 'analyze', drain, 'analyze']) {
        await client.query(prepare);
        for (const [statement, values] of hotStatements) {
          const { scans, rows } = await read(client, statement, values);
          assert.equal(scans, 0, `${statement.name} after: ${prepare}`);
          const most = statement.name === 'claim_own' ? 16 : 8;
          assert.ok(rows <= most * claim.limit, `${statement.name} read ${rows} rows after: ${prepare}`);
        }
      }
    } finally {
      await client.end();
    }
  });
});
