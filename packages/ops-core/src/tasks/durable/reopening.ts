import type { EntryRow, InboxRow, NewEntry } from '../../storage/store.ts';
import { childEndSchema, parseData, taskFailedSchema } from './entry-data.ts';
import type { Journal, TaskPort } from './port.ts';
import { openingOf, type RecordedCall, readJournal } from './recording.ts';

/**
 * An operator's retry of a failed task: the failure that led to its end and all later ones count no more, and
 * children that ended with it are started anew. Gives the journal with the entries that say so.
 */
export async function reopenFailures(port: TaskPort, journal: Journal, item: InboxRow): Promise<Journal> {
  const lastSeq = journal.at(-1)?.seq ?? port.lastSeq;
  const entries = entriesToReopen(journal, port.inbox()).map((row, index): NewEntry => {
    const { branch = '', name = '', count = 1, asked = 0 } = row;
    const data = JSON.stringify({ ref: row.seq });
    return { seq: lastSeq + 1 + index, type: 'step.reopened', branch, name, count, asked, data };
  });
  if (entries.length === 0) entries.push({ seq: lastSeq + 1, type: 'task.resumed' });
  const at = await port.append(entries, { takes: [item.id] });
  return [...journal, ...entries.map((entry) => ({ ...entry, attempt: port.attempt, at }))];
}

function entriesToReopen(journal: Journal, inbox: readonly InboxRow[]): NewEntry[] {
  const end = journal.findLast((row) => row.type === 'task.failed');
  const { failedStep } = end === undefined ? {} : parseData(taskFailedSchema, end.data);
  const reopened: NewEntry[] = [];
  for (const call of readJournal(journal).calls.values()) {
    const { result } = call;
    const isLater = result !== undefined && failedStep !== undefined && result.entry.seq >= failedStep;
    if (isLater && result.entry.type === 'step.failed') reopened.push(result.entry);
    const child = openChild(call);
    if (child !== undefined && !hasCompleted(child, inbox)) reopened.push(child);
  }
  return reopened.sort((a, b) => a.seq - b.seq);
}

/** The opening of a child whose end the task has not seen. */
function openChild({ opening, result }: RecordedCall): EntryRow | undefined {
  return opening !== undefined && result === undefined && openingOf(opening).kind === 'child'
    ? opening
    : undefined;
}

function hasCompleted(opening: EntryRow, inbox: readonly InboxRow[]): boolean {
  const { key } = openingOf(opening);
  const item = inbox.find((row) => row.key === key);
  return item !== undefined && parseData(childEndSchema, item.data).status === 'completed';
}
