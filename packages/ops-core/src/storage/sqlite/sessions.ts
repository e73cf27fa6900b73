import type { DatabaseSync } from 'node:sqlite';
import type { SessionRun } from '../store.ts';
import { prepare } from './statement.ts';
import type { Operation } from './turn.ts';

/** Adds a run to the end of a session's conversation; a `runId` that is there changes nothing. */
export function prepareAppendSession(
  database: DatabaseSync,
): Operation<{ namespace: string; sessionId: string; run: SessionRun }, void> {
  const insert = prepare<[string, string, string, string]>(
    database,
    `insert into session_runs (namespace, session_id, position, run_id, messages)
     select ?1, ?2, 1 + coalesce(max(position), 0), ?3, ?4 from session_runs where namespace = ?1 and session_id = ?2
     on conflict (namespace, session_id, run_id) do nothing`,
  );
  return (_turn, { namespace, sessionId, run }) => {
    insert.get(namespace, sessionId, run.runId, run.messages);
  };
}

export function prepareSession(
  database: DatabaseSync,
): (namespace: string, sessionId: string) => SessionRun[] {
  const find = prepare<[string, string], [runId: string, messages: string]>(
    database,
    'select run_id, messages from session_runs where namespace = ?1 and session_id = ?2 order by position',
  );
  return (namespace, sessionId) =>
    find.all(namespace, sessionId).map(([runId, messages]) => ({ runId, messages }));
}
