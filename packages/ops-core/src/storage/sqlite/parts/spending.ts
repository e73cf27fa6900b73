import type { DatabaseSync } from 'node:sqlite';
import {
  type SpendingColumns,
  type SpendingStore,
  spendingColumns,
  type TaskSpending,
  toSpendingSum,
} from '../../parts/spending.ts';
import { prepare } from '../database/statement.ts';
import type { Operation, StoreAccess } from '../writing/store-access.ts';

type Amounts = [inputTokens: number, outputTokens: number, costMicroUsd: number, unpricedTokens: number];

export function openSpending(database: DatabaseSync, { write, read }: StoreAccess): SpendingStore {
  const record = prepareRecord(database);
  const forget = prepareForgetSession(database);
  const isOpen = prepare<[string, string], [number]>(
    database,
    'select 1 from queue where namespace = ?1 and session_id = ?2 limit 1',
  );
  const sums = prepare<[string, string, number], SpendingColumns>(
    database,
    `select ${spendingColumns} from spending where namespace = ?1 and kind = ?2 order by last_at desc, name limit ?3`,
  );
  const one = prepare<[string, string, string], SpendingColumns>(
    database,
    `select ${spendingColumns} from spending where namespace = ?1 and kind = ?2 and name = ?3`,
  );
  const forgetIdle: Operation<[string, string], boolean> = (_turn, [namespace, sessionId]) => {
    if (isOpen.get(namespace, sessionId) !== undefined) return false;
    forget(namespace, sessionId);
    return true;
  };
  return {
    record: (spending) => write(record, spending),
    list: (namespace, kind, limit) => read(() => sums.all(namespace, kind, limit).map(toSpendingSum)),
    sum: (namespace, kind, name) =>
      read(() => {
        const row = one.get(namespace, kind, name);
        return row === undefined ? undefined : toSpendingSum(row);
      }),
    forgetSession: (namespace, sessionId) => write(forgetIdle, [namespace, sessionId]),
  };
}

function prepareRecord(database: DatabaseSync): Operation<TaskSpending, void> {
  const told = prepare<[string], Amounts>(
    database,
    'select input_tokens, output_tokens, cost_micro_usd, unpriced_tokens from task_spending where task_id = ?1',
  );
  const put = prepare<[string, ...Amounts]>(
    database,
    `insert into task_spending (task_id, input_tokens, output_tokens, cost_micro_usd, unpriced_tokens)
     values (?1, ?2, ?3, ?4, ?5)
     on conflict do update set input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens,
       cost_micro_usd = excluded.cost_micro_usd, unpriced_tokens = excluded.unpriced_tokens`,
  );
  const add = prepare<[string, string, string, ...Amounts, number]>(
    database,
    `insert into spending (namespace, kind, ${spendingColumns}) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
     on conflict do update set input_tokens = input_tokens + excluded.input_tokens,
       output_tokens = output_tokens + excluded.output_tokens, cost_micro_usd = cost_micro_usd + excluded.cost_micro_usd,
       unpriced_tokens = unpriced_tokens + excluded.unpriced_tokens, last_at = excluded.last_at`,
  );
  return ({ at }, { taskId, namespace, agent, sessionId, spent }) => {
    const before = told.get(taskId) ?? [0, 0, 0, 0];
    const said: Amounts = [spent.inputTokens, spent.outputTokens, spent.costMicroUsd, spent.unpricedTokens];
    const now = said.map((amount, index) => Math.max(amount, before[index] ?? 0)) as Amounts;
    const more = now.map((amount, index) => amount - (before[index] ?? 0)) as Amounts;
    if (more.every((amount) => amount === 0)) return;
    put.get(taskId, ...now);
    add.get(namespace, 'agent', agent, ...more, at);
    add.get(namespace, 'day', new Date(at).toISOString().slice(0, 10), ...more, at);
    if (sessionId !== undefined) add.get(namespace, 'session', sessionId, ...more, at);
  };
}

/** A scope of a block is `[namespace, agent, session, user]`. */
export function prepareForgetSession(database: DatabaseSync): (namespace: string, sessionId: string) => void {
  const statements = [
    'delete from session_runs where namespace = ?1 and session_id = ?2',
    'delete from memories where namespace = ?1 and session_id = ?2',
    `delete from memory_blocks where json_extract(scope, '$[0]') = ?1 and json_extract(scope, '$[2]') = ?2`,
    `delete from spending where namespace = ?1 and kind = 'session' and name = ?2`,
  ].map((sql) => prepare<[string, string]>(database, sql));
  return (namespace, sessionId) => {
    for (const statement of statements) statement.get(namespace, sessionId);
  };
}
