import type { DatabaseSync } from 'node:sqlite';
import { OpspawnError } from '@opspawn/agentkit/schema';
import { newId } from '../../../domain/new-id.ts';
import { queueState } from '../../../domain/task-state.ts';
import { errorCodeOf } from '../../rows/error-code.ts';
import type { FinishWrite, NewEntry, OwnedResult, Owner } from '../../store.ts';
import type { Turn } from '../../turn.ts';
import type { Blobs } from '../database/blobs.ts';
import { prepare } from '../database/statement.ts';
import type { Limits } from '../scheduling/limits.ts';
import type { Transitions } from '../scheduling/transitions.ts';
import { type ApplyEffects, lost } from './append.ts';
import type { Delivery } from './delivery.ts';
import { type JournalWriter, seqTaken } from './journal.ts';
import type { Operation } from './store-access.ts';

type Text = string | null;
type Ended = [
  namespace: string,
  failures: number,
  parentId: Text,
  sessionId: Text,
  hasChildren: number,
  limits: Text,
];

export interface FinishParts {
  blobs: Blobs;
  journal: JournalWriter;
  effects: ApplyEffects;
  delivery: Delivery;
  transitions: Transitions;
  limits: Limits;
}

/** The end of a task, with all that follows from it for its parent, its children and its session. */
export function prepareFinish(
  database: DatabaseSync,
  parts: FinishParts,
): Operation<FinishWrite, OwnedResult> {
  const { journal, effects, limits } = parts;
  const findOwned = prepare<[string, number, string], Ended>(
    database,
    `select namespace, failures, parent_id, session_id, has_children, limits from queue
     where task_id = ?1 and attempt = ?2 and worker_id = ?3 and state = ${queueState.running}`,
  );
  // RETURNING would do both at once, at twice the cost.
  const leaveQueue = prepare<[string]>(database, 'delete from queue where task_id = ?1');
  // Most tasks end well and alone: then nothing needs to be known of them.
  const leaveAlone = prepare<[string, number, string]>(
    database,
    `delete from queue
     where task_id = ?1 and attempt = ?2 and worker_id = ?3 and state = ${queueState.running}
       and failures = 0 and parent_id is null and session_id is null and has_children = 0 and limits is null`,
  );
  const writeEnd = prepareWriteEnd(database, parts);
  const earlier = prepareEarlier(database, journal);
  const followEnd = prepareFollowEnd(database, parts);

  return (turn, write) => {
    const { owner, status, entries } = write;
    const { taskId, attempt, workerId } = owner;
    const terminal = terminalEntry(write);
    if (isCompletionOnly(write) && leaveAlone.run(taskId, attempt, workerId).changes === 1)
      return writeEnd(turn, write, { namespace: null, failures: 0, terminal });
    const ended = findOwned.get(taskId, attempt, workerId);
    if (ended === undefined) return earlier(owner, entries) ?? lost;
    const [namespace, failuresBefore, parentId, sessionId, hasChildren, heldLimits] = ended;
    const failures = status === 'failed' ? failuresBefore + 1 : failuresBefore;
    leaveQueue.get(taskId);
    if (heldLimits !== null) limits.leave(turn, namespace, taskId, heldLimits);
    writeEnd(turn, write, { namespace, failures, terminal });
    effects(turn, taskId, namespace, write);
    followEnd(turn, { taskId, namespace, parentId, sessionId, hasChildren }, { status, data: terminal.data });
    return turn.written;
  };
}

const isCompletionOnly = ({ status, takes, children, posts }: FinishWrite): boolean =>
  status === 'completed' && takes === undefined && children === undefined && posts === undefined;

function terminalEntry({ owner, status, entries }: FinishWrite): NewEntry {
  const last = entries.at(-1);
  if (last?.type === `task.${status}`) return last;
  throw new OpspawnError('invalid_argument', `The entries of ${owner.taskId} do not end with task.${status}`);
}

interface End {
  /** null where the task has completed: only the others are listed by it. */
  namespace: string | null;
  failures: number;
  terminal: NewEntry;
}

function prepareWriteEnd(database: DatabaseSync, { blobs, journal }: FinishParts) {
  const insert = prepare<
    [string, Text, string, number, number, number, number, number | null, number | null, Text]
  >(
    database,
    `insert into outcomes (task_id, namespace, status, failures, seq, attempt, at, asked, blob_id, data)
     select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10
     where not exists (select 1 from journal where task_id = ?1 and seq >= ?5)`,
  );
  const setErrorCode = prepare<[string, Text]>(
    database,
    'update outcomes set error_code = ?2 where task_id = ?1',
  );
  return (turn: Turn, { owner, status, entries }: FinishWrite, end: End): OwnedResult => {
    const { taskId, attempt } = owner;
    const { namespace, failures, terminal } = end;
    const { seq, asked = null, data } = terminal;
    if (entries.length > 1) journal.write(turn, owner, entries.slice(0, -1));
    const blobId = blobs.spill(data);
    const text = blobs.inline(data);
    const { changes } = insert.run(
      taskId,
      namespace,
      status,
      failures,
      seq,
      attempt,
      turn.at,
      asked,
      blobId,
      text,
    );
    if (changes !== 1) throw seqTaken(owner, seq);
    if (status === 'failed') setErrorCode.get(taskId, errorCodeOf(terminal));
    turn.changed.push(taskId);
    return turn.written;
  };
}

/** The answer to the same end written before, also when the task was reopened since. */
function prepareEarlier(database: DatabaseSync, journal: JournalWriter) {
  const find = prepare<[string, number], [at: number]>(
    database,
    'select at from outcomes where task_id = ?1 and attempt = ?2',
  );
  return (owner: Owner, entries: readonly NewEntry[]): OwnedResult | undefined => {
    const row = find.get(owner.taskId, owner.attempt);
    return row === undefined ? journal.earlier(owner, entries) : { ok: true, at: row[0] };
  };
}

/** A task that has just ended. */
export interface EndedTask {
  readonly taskId: string;
  readonly namespace: string;
  readonly parentId: Text;
  readonly sessionId: Text;
  readonly hasChildren: number;
}

/** How it ended; `data` is that of the terminal entry. */
interface EndOf {
  readonly status: FinishWrite['status'];
  readonly data: string | undefined;
}

/** What follows from the end of a task for its parent, its children and its session. */
export function prepareFollowEnd(
  database: DatabaseSync,
  { delivery, transitions }: Pick<FinishParts, 'delivery' | 'transitions'>,
) {
  const tellParent = prepareTellParent(database, delivery);
  const cancelChildren = prepareCancelChildren(database, delivery);
  return (
    turn: Turn,
    { taskId, namespace, parentId, sessionId, hasChildren }: EndedTask,
    end: EndOf,
  ): void => {
    if (parentId !== null) tellParent(turn, namespace, parentId, taskId, end);
    if (hasChildren !== 0) cancelChildren(turn, namespace, taskId);
    if (sessionId !== null) transitions.sessionFreed(turn, namespace, sessionId);
  };
}

function prepareTellParent(database: DatabaseSync, delivery: Delivery) {
  const parentKeyOf = prepare<[string, string], [Text]>(
    database,
    'select parent_key from tasks where namespace = ?1 and id = ?2',
  );
  return (
    turn: Turn,
    namespace: string,
    parentId: string,
    taskId: string,
    { status, data: ending }: EndOf,
  ): void => {
    const key = parentKeyOf.get(namespace, taskId)?.[0] ?? `child:${taskId}`;
    const data = JSON.stringify({ taskId, status, ...outcomeOf(ending) });
    delivery.post(turn, namespace, parentId, { id: newId(), kind: 'child', key, data });
  };
}

/** What the terminal entry says to a parent: its `output` or its `error`. */
function outcomeOf(ending: string | undefined): { output?: unknown; error?: unknown } {
  const data: unknown = ending === undefined ? undefined : JSON.parse(ending);
  if (typeof data !== 'object' || data === null) return {};
  return {
    ...('output' in data ? { output: data.output } : {}),
    ...('error' in data ? { error: data.error } : {}),
  };
}

function prepareCancelChildren(database: DatabaseSync, delivery: Delivery) {
  const unfinished = prepare<[string], [taskId: string]>(
    database,
    'select q.task_id from tasks t join queue q on q.task_id = t.id where t.parent_id = ?1 order by t.id',
  );
  return (turn: Turn, namespace: string, parentId: string): void => {
    for (const [childId] of unfinished.all(parentId)) {
      const data = JSON.stringify({ reason: 'parent_ended', parentId });
      delivery.post(turn, namespace, childId, { id: newId(), kind: 'cancel', key: '', data });
    }
  };
}
