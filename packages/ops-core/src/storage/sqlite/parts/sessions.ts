import type { DatabaseSync } from 'node:sqlite';
import type { SessionRun } from '../../parts/sessions.ts';
import { type SessionRunRow, toSessionRun } from '../../rows/session-run.ts';
import { prepare } from '../database/statement.ts';
import type { Operation } from '../writing/store-access.ts';

/** Adds a run to the end of a session's conversation; a `runId` that is there changes nothing. */
export function prepareAppendSession(
  database: DatabaseSync,
): Operation<{ namespace: string; sessionId: string; run: SessionRun }, void> {
  const insert = prepare<[string, string, string, string, string | null]>(
    database,
    `insert into session_runs (namespace, session_id, position, run_id, messages, compaction)
     select ?1, ?2, 1 + coalesce(max(position), 0), ?3, ?4, ?5 from session_runs where namespace = ?1 and session_id = ?2
     on conflict (namespace, session_id, run_id) do nothing`,
  );
  return (_turn, { namespace, sessionId, run }) => {
    insert.get(namespace, sessionId, run.runId, run.messages, run.compaction ?? null);
  };
}

export function prepareSession(
  database: DatabaseSync,
): (namespace: string, sessionId: string) => SessionRun[] {
  const find = prepare<[string, string], SessionRunRow>(
    database,
    'select run_id, messages, compaction from session_runs where namespace = ?1 and session_id = ?2 order by position',
  );
  return (namespace, sessionId) => find.all(namespace, sessionId).map(toSessionRun);
}
