import type { SessionRun } from '../../parts/sessions.ts';
import type { SessionRunRow } from '../../rows/session-run.ts';
import { statement } from '../database/connections.ts';
import { toText } from '../database/text.ts';

/** Adds a run to the end of a session's conversation; a `runId` that is there changes nothing. */
export const appendSession = statement(
  'append_session',
  'insert into session_runs (namespace, session_id, run_id, messages, compaction) values ($1, $2, $3, $4, $5) on conflict do nothing',
);

export const encodeSessionRun = (
  namespace: string,
  sessionId: string,
  { runId, messages, compaction }: SessionRun,
): unknown[] => [
  namespace,
  toText(sessionId),
  runId,
  toText(messages),
  compaction === undefined ? null : toText(compaction),
];

export const sessionRuns = statement<SessionRunRow>(
  'session',
  'select run_id, messages, compaction from session_runs where namespace = $1 and session_id = $2 order by position',
);
