import type { StoredDecision } from '../../parts/decisions.ts';
import type { JournalRow } from '../../rows/journal-entry.ts';
import { statement } from '../database/connections.ts';

/** Entries with seq > $2, in order, at most $3. */
export const journalOf = statement<JournalRow>(
  'journal',
  `select seq, type, attempt, at, branch, name, count, asked, data from journal where task_id = $1 and seq > $2
   union all
   select seq, 'task.' || status, attempt, at, null, null, null, asked, data from outcomes
   where task_id = $1 and seq > $2
   order by seq limit $3`,
);

/** The latest decision with this key, taken or not. */
export const lastDecisionOf = statement<[at: number, data: string | null]>(
  'last_decision',
  `select at, data from inbox
   where task_id = $1 and key = $2 and kind = 'decision' and (taken_at is null or taken_at is not null)
   order by position desc limit 1`,
);

export const toDecision = ([at, data]: [number, string | null]): StoredDecision => ({
  at,
  ...(data === null ? {} : { data }),
});
