/** What must hold when nothing is left to do. */
import type { Clients } from './clients.ts';
import type { SimulatedDatabase } from './database.ts';
import type { Judge } from './judge.ts';
import type { Seen } from './programs.ts';
import type { Record } from './record.ts';

interface Parts {
  database: SimulatedDatabase;
  record: Record;
  judge: Judge;
  clients: Clients;
}

interface JournalRow {
  seq: number;
  type: string;
  attempt: number;
  identity: string;
  name: string;
  data: {
    ref?: number;
    value?: unknown;
    output?: unknown;
    error?: { code: string; message: string };
    reason?: string;
  };
}

export function finalCheck(parts: Parts): void {
  for (const taskId of parts.clients.acknowledged.values()) {
    if (parts.database.rows('select 1 from tasks where id = ?', taskId).length === 0)
      parts.record.problem(`${parts.record.label(taskId)} was acknowledged and is lost`);
  }
  for (const taskId of parts.judge.taskIds()) checkTask(parts, taskId);
  checkSignals(parts);
}

function checkTask({ database, record, judge }: Parts, taskId: string): void {
  const label = record.label(taskId);
  const [outcome] = database.rows('select status, seq, data from outcomes where task_id = ?', taskId);
  if (outcome === undefined) {
    record.problem(`${label} has no outcome`);
    return;
  }
  const [status, seq, text] = outcome;
  const journal = readJournal(database, taskId);
  record.note(`${label} ${String(status)} ${String(text)}`);
  checkJournal(record, label, journal, Number(seq));
  const data = JSON.parse(String(text ?? '{}')) as JournalRow['data'];
  if (status === 'completed') checkOutput(record, label, journal, (data.output ?? []) as Seen[]);
  else if (status === 'cancelled' && !judge.wasCancelled(taskId))
    record.problem(`${label} is cancelled, and nobody asked`);
}

function readJournal(database: SimulatedDatabase, taskId: string): JournalRow[] {
  const rows = database.rows(
    'select seq, type, attempt, branch, name, count, data from journal where task_id = ? order by seq',
    taskId,
  );
  return rows.map(([seq, type, attempt, branch, name, count, data]) => ({
    seq: Number(seq),
    type: String(type),
    attempt: Number(attempt),
    identity: JSON.stringify([branch, name, count]),
    name: String(name),
    data: JSON.parse(String(data ?? '{}')) as JournalRow['data'],
  }));
}

/** Complete, written by one attempt after the other, and with one result for each step. */
function checkJournal(record: Record, label: string, journal: readonly JournalRow[], end: number): void {
  const voided = new Set(
    journal
      .filter(({ type }) => type === 'step.reopened' || type === 'step.superseded')
      .map(({ data }) => data.ref),
  );
  const results = new Set<string>();
  let last = { seq: 0, attempt: 0 };
  for (const { seq, type, attempt, identity } of journal) {
    if (seq !== last.seq + 1) record.problem(`${label} has entry ${seq} after ${last.seq}`);
    if (attempt < last.attempt)
      record.problem(`${label} has entry ${seq} of #${attempt} after one of #${last.attempt}`);
    last = { seq, attempt };
    if ((type !== 'step.completed' && type !== 'step.failed') || voided.has(seq)) continue;
    if (results.has(identity)) record.problem(`${label} has two results of ${identity}`);
    results.add(identity);
  }
  if (end !== last.seq + 1) record.problem(`${label} ends with entry ${end} after ${last.seq}`);
}

/** What the function saw is what the journal holds. */
function checkOutput(
  record: Record,
  label: string,
  journal: readonly JournalRow[],
  output: readonly Seen[],
): void {
  const recorded = new Map(
    journal.filter(({ type }) => type === 'step.completed').map(({ name, data }) => [name, data.value]),
  );
  for (const [name, value] of output) {
    if (!recorded.has(name)) continue;
    const expected = recorded.get(name);
    const isApproval = typeof value === 'boolean';
    if (!isApproval && expected !== value)
      record.problem(
        `${label} saw ${JSON.stringify(value)} of ${name}, and ${JSON.stringify(expected)} is recorded`,
      );
  }
}

/** A signal that was answered is kept, and taken once at most. */
function checkSignals({ database, record, clients }: Parts): void {
  for (const { taskId, id, data } of clients.signals) {
    const rows = database.rows('select taken_at from inbox where task_id = ? and id = ?', taskId, id);
    const takers = readJournal(database, taskId).filter((row) => row.data.value === data);
    const isTaken = rows[0]?.[0] !== null && rows.length > 0;
    if (rows.length !== 1) record.problem(`${data} for ${record.label(taskId)} is lost`);
    else if (takers.length !== (isTaken ? 1 : 0))
      record.problem(
        `${data} for ${record.label(taskId)} is ${isTaken ? '' : 'not '}taken, and seen ${takers.length} times`,
      );
  }
}
