import { deadlineData, type OpenEffect } from '../../../domain/deadline.ts';
import { errorCodeOf } from '../../rows/error-code.ts';
import type { Write } from '../../store.ts';
import type { Turn } from '../../turn.ts';
import { uuidArray } from '../database/binary-array.ts';
import { statement } from '../database/connections.ts';
import { toJsonText } from '../database/text.ts';
import { childData, terminalEntry } from './finish.ts';
import { checkStepNames } from './owner.ts';

/** What functions/*.sql tell of a transaction. */
export interface Told {
  readonly at: number;
  readonly told: readonly string[];
}

type Row = [{ readonly results: readonly unknown[] } & Told];

/** Any writes, one after the other, in one transaction. */
export const writeAll = statement<Row>('write_all', 'select write_all($1, $2, $3, $4::jsonb)');

/** A task whose time is up and that nobody ran a moment ago. */
export interface OverdueTask {
  readonly taskId: string;
  readonly attempt: number;
  readonly deadlineAt: number;
  readonly effects: readonly OpenEffect[];
}

/** Ends those that still nobody runs. */
export function encodeExpiries(tasks: readonly OverdueTask[], floor: number): unknown[] {
  const ids = uuidArray(tasks.map(({ taskId }) => taskId));
  const writes = tasks.map(({ taskId, attempt, deadlineAt, effects }) => {
    const data = deadlineData(deadlineAt, effects);
    const { error } = JSON.parse(data) as { error: unknown };
    return {
      op: 'expire',
      taskId,
      attempt,
      data,
      childData: JSON.stringify({ taskId, status: 'failed', error }),
    };
  });
  return [floor, ids, ids, toJsonText(writes)];
}

/** Throws `invalid_argument` and `payload_too_large`. */
export function encodeWrites(writes: readonly Write[], floor: number): unknown[] {
  return [
    floor,
    uuidArray(writes.flatMap(namedTasks)),
    uuidArray(writes.flatMap(endingTasks)),
    toJsonText(writes.map(checked)),
  ];
}

function checked(write: Write): unknown {
  if ('entries' in write) checkStepNames(write);
  if (write.op !== 'finish') return write;
  const errorCode = write.status === 'failed' ? errorCodeOf(terminalEntry(write)) : undefined;
  return { ...write, childData: childData(write), errorCode };
}

/** The tasks whose rows in the queue a write may change. */
function namedTasks(write: Write): (string | undefined)[] {
  if (write.op === 'submit') return write.task.parentId === undefined ? [] : [write.task.parentId];
  if (write.op === 'post' || write.op === 'reopen') return [write.taskId];
  return [write.owner.taskId, ...(write.posts ?? []).map(({ taskId }) => taskId)];
}

/** Those that a write ends, or may end as it cancels what no attempt has begun. */
function endingTasks(write: Write): string[] {
  if (write.op === 'submit' || write.op === 'reopen') return [];
  const posts = write.op === 'post' ? [write] : (write.posts ?? []);
  const cancelled = posts.filter(({ item }) => item.kind === 'cancel').map(({ taskId }) => taskId);
  return write.op === 'finish' ? [write.owner.taskId, ...cancelled] : cancelled;
}

/** Takes over what the functions told, in their words: functions/transitions.sql. */
export function noteTold(turn: Turn, told: readonly string[]): void {
  for (const line of told) {
    const blank = line.indexOf(' ');
    const what = line.slice(blank + 1);
    switch (line.slice(0, blank)) {
      case 'ready':
        turn.ready.add(what);
        break;
      case 'changed':
        turn.changed.push(what);
        break;
      case 'posted':
        turn.posted.add(what);
        break;
      default:
        turn.dueAt = Math.min(turn.dueAt, Number(what));
    }
  }
}
