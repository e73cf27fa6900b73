import type { DatabaseSync } from 'node:sqlite';
import { OpspawnError } from '@opspawn/agentkit/schema';
import type { NewEntry, OwnedResult, Owner } from '../../store.ts';
import type { Turn } from '../../turn.ts';
import type { Blobs } from '../database/blobs.ts';
import { isDuplicate } from '../database/failure.ts';
import { prepare } from '../database/statement.ts';

type Text = string | null;
type Int = number | null;

export function prepareJournalWriter(database: DatabaseSync, blobs: Blobs) {
  const insert = prepare<[string, number, string, number, number, Text, Text, Int, Int, Int, Text]>(
    database,
    `insert into journal (task_id, seq, type, attempt, at, branch, name, count, asked, blob_id, data)
     values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)`,
  );
  const written = prepare<[string, number], [attempt: number, type: string, at: number]>(
    database,
    'select attempt, type, at from journal where task_id = ?1 and seq = ?2',
  );

  /** The answer to an earlier write of these entries by this attempt; undefined when there was none. */
  const earlier = ({ taskId, attempt }: Owner, entries: readonly NewEntry[]): OwnedResult | undefined => {
    const last = entries.at(-1);
    const row = last === undefined ? undefined : written.get(taskId, last.seq);
    // An attempt that does not know of its last write may take this number for another entry.
    const isThis = row !== undefined && row[0] === attempt && row[1] === last?.type;
    return isThis ? { ok: true, at: row[2] } : undefined;
  };

  /** Throws SQLite's error when the entry is there. */
  const append = (owner: Owner, entry: NewEntry, at: number): void => {
    const branch = wellFormed(entry.branch);
    const name = wellFormed(entry.name);
    const blobId = blobs.spill(entry.data);
    try {
      insert.get(
        owner.taskId,
        entry.seq,
        entry.type,
        owner.attempt,
        at,
        branch,
        name,
        entry.count ?? null,
        entry.asked ?? null,
        blobId,
        blobs.inline(entry.data),
      );
    } catch (thrown) {
      blobs.discard(blobId);
      throw thrown;
    }
  };

  /** Gives the answer to the earlier write when these entries are there already, and then changes nothing. */
  const write = (turn: Turn, owner: Owner, entries: readonly NewEntry[]): OwnedResult | undefined => {
    for (const [index, entry] of entries.entries()) {
      try {
        append(owner, entry, turn.at);
      } catch (thrown) {
        if (!isDuplicate(thrown)) throw thrown;
        const answer = index === 0 ? earlier(owner, entries) : undefined;
        if (answer === undefined) throw seqTaken(owner, entry.seq, thrown);
        return answer;
      }
    }
    return undefined;
  };

  return { earlier, write };
}

export type JournalWriter = ReturnType<typeof prepareJournalWriter>;

/** SQLite would replace half of a surrogate pair, and the step would not be found again. */
function wellFormed(text: string | undefined): Text {
  if (text === undefined) return null;
  if (text.isWellFormed()) return text;
  throw new OpspawnError(
    'invalid_argument',
    `The step name ${JSON.stringify(text)} is not well-formed Unicode`,
  );
}

export const seqTaken = (owner: Owner, seq: number, cause?: unknown): OpspawnError =>
  new OpspawnError('internal', `Entry ${seq} of task ${owner.taskId} is another one`, {
    cause,
    details: { taskId: owner.taskId, seq, attempt: owner.attempt },
    retryable: false,
  });
