import type { TaskKind, TaskStatus } from '@opspawn/sdk';
import { type QueueState, queueState, statusOfState } from '../../domain/task-state.ts';
import type { StoredWait, TaskRow } from '../store.ts';
import { parseLimits } from './task-limits.ts';

type Text = string | null;
type Int = number | null;

/** The columns that each engine selects of tasks, queue and outcomes. */
export type ViewRow = [
  id: string,
  namespace: string,
  kind: TaskKind,
  name: string,
  queue: string,
  priority: number,
  input: Text,
  options: Text,
  sessionId: Text,
  parentId: Text,
  idempotencyKey: Text,
  createdAt: number,
  notBefore: Int,
  state: QueueState | null,
  dueAt: Int,
  pausedReason: Text,
  attempt: number,
  failures: number,
  lastSeq: Int,
  ended: TaskStatus | null,
  finishedAt: Int,
  outcome: Text,
  limits: Text,
  deadlineAt: Int,
];

const statusOf = (row: ViewRow): TaskStatus =>
  row[19] ?? (row[13] === null ? 'pending' : statusOfState[row[13]]);

export function taskOf(row: ViewRow, waits: readonly StoredWait[]): TaskRow {
  const task: TaskRow = {
    id: row[0],
    namespace: row[1],
    kind: row[2],
    name: row[3],
    status: statusOf(row),
    queue: row[4],
    priority: row[5],
    attempt: row[16],
    failures: row[17],
    waits,
    limits: parseLimits(row[22]),
    lastSeq: row[18] ?? 0,
    createdAt: row[11],
  };
  const dueAt = row[13] === queueState.later || row[13] === queueState.waiting ? row[14] : row[12];
  return Object.assign(
    task,
    present('input', row[6]),
    present('options', row[7]),
    present('sessionId', row[8]),
    present('parentId', row[9]),
    present('idempotencyKey', row[10]),
    present('dueAt', dueAt),
    present('pausedReason', row[15]),
    present('deadlineAt', row[23]),
    present('finishedAt', row[20]),
    present('outcome', row[21]),
  );
}

/** A property that is left out where the column is null. */
function present<Key extends string, Value>(key: Key, value: Value | null): { [K in Key]?: Value } {
  return value === null ? {} : ({ [key]: value } as { [K in Key]?: Value });
}
