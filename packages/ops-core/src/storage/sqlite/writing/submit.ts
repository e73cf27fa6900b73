import type { DatabaseSync } from 'node:sqlite';
import { limitsText } from '../../rows/task-limits.ts';
import type { NewTask, Offer, SubmitResult } from '../../store.ts';
import type { Turn } from '../../turn.ts';
import type { Blobs } from '../database/blobs.ts';
import { isDuplicate } from '../database/failure.ts';
import { prepare } from '../database/statement.ts';
import type { Begin } from '../scheduling/begin.ts';
import type { Enqueue } from '../scheduling/enqueue.ts';
import { prepareOwnLimits } from '../scheduling/own-limits.ts';

type Text = string | null;
type Int = number | null;

/** `offer`: by whom it would be begun. */
export type Submit = (turn: Turn, task: NewTask, offer?: Offer) => SubmitResult;

/** Creates a task, also as another's child. Made again with the same id, it answers as it did the first time. */
export function prepareSubmit(
  database: DatabaseSync,
  { blobs, enqueue, begin }: { blobs: Blobs; enqueue: Enqueue; begin: Begin },
): Submit {
  const byKey = prepare<[string, string], [id: string, digest: Text, createdAt: number]>(
    database,
    'select id, request_digest, created_at from tasks where namespace = ?1 and idempotency_key = ?2',
  );
  const byId = prepare<[string, string], [createdAt: number]>(
    database,
    'select created_at from tasks where namespace = ?1 and id = ?2',
  );
  const sessionOf = prepare<[string, string], [Text]>(
    database,
    'select session_id from tasks where namespace = ?1 and id = ?2',
  );
  const ownLimits = prepareOwnLimits(database);
  const markParent = prepare<[string]>(database, 'update queue set has_children = 1 where task_id = ?1');
  const insert = prepareInsert(database, blobs);

  const existing = (task: NewTask): SubmitResult | undefined => {
    const key = task.idempotencyKey;
    const row = key === undefined ? undefined : byKey.get(task.namespace, key);
    if (row === undefined || row[0] === task.id) return undefined;
    const isSame = row[1] === (task.requestDigest ?? null);
    return { taskId: row[0], outcome: isSame ? 'existing' : 'conflict', createdAt: row[2] };
  };

  return (turn, task, offer) => {
    const found = existing(task);
    if (found !== undefined) return found;
    const { namespace, parentId } = task;
    const sessionId = task.sessionId ?? (parentId && sessionOf.get(namespace, parentId)?.[0]) ?? undefined;
    const limits = limitsText(task.limits);
    const inputBlob = blobs.spill(task.input);
    const deadlineAt =
      task.deadlineAt ?? (task.timeoutMs === undefined ? undefined : turn.at + task.timeoutMs);
    try {
      insert(task, { at: turn.at, sessionId, inputBlob, limits, deadlineAt });
    } catch (thrown) {
      const before = isDuplicate(thrown) ? byId.get(namespace, task.id) : undefined;
      if (before === undefined) throw thrown;
      blobs.discard(inputBlob);
      return { taskId: task.id, outcome: 'created', createdAt: before[0] };
    }
    if (offer !== undefined && begin(turn, task, offer, deadlineAt))
      return { taskId: task.id, outcome: 'created', createdAt: turn.at };
    if (parentId !== undefined) markParent.get(parentId);
    enqueue(turn, {
      taskId: task.id,
      namespace,
      queue: task.queue,
      priority: task.priority,
      dueAt: task.dueAt ?? turn.at,
      attempt: 0,
      parentId,
      sessionId: parentId === undefined ? sessionId : undefined,
      hasChildren: false,
      deadlineAt,
      limits: limits === null ? null : ownLimits(task),
    });
    return { taskId: task.id, outcome: 'created', createdAt: turn.at };
  };
}

interface Derived {
  at: number;
  sessionId: string | undefined;
  inputBlob: number | null;
  limits: string | null;
  deadlineAt: number | undefined;
}

function prepareInsert(database: DatabaseSync, blobs: Blobs) {
  const insert = prepare<
    // biome-ignore format: a line for all columns
    [string, string, string, string, string, number, number, Int, Int, Text, Text, Text, Text, Text, Text, Int, Text, Text, Int]
  >(
    database,
    `insert into tasks (namespace, id, kind, name, queue, priority, created_at, due_at, attempt_timeout_ms,
       idempotency_key, request_digest, session_id, parent_id, parent_key, options, input_blob, input, limits, deadline_at)
     values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)`,
  );
  // Each null that is bound costs as much as a value: most tasks have none of the other columns.
  const insertPlain = prepare<[string, string, string, string, string, number, number, Text]>(
    database,
    `insert into tasks (namespace, id, kind, name, queue, priority, created_at, input)
     values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`,
  );
  return (task: NewTask, { at, sessionId, inputBlob, limits, deadlineAt }: Derived): void => {
    if (sessionId === undefined && inputBlob === null && deadlineAt === undefined && isPlain(task)) {
      const { namespace, id, kind, name, queue, priority, input = null } = task;
      insertPlain.get(namespace, id, kind, name, queue, priority, at, input);
      return;
    }
    insert.get(
      task.namespace,
      task.id,
      task.kind,
      task.name,
      task.queue,
      task.priority,
      at,
      task.dueAt ?? null,
      task.attemptTimeoutMs ?? null,
      task.idempotencyKey ?? null,
      task.requestDigest ?? null,
      sessionId ?? null,
      task.parentId ?? null,
      task.parentKey ?? null,
      task.options ?? null,
      inputBlob,
      blobs.inline(task.input),
      limits,
      deadlineAt ?? null,
    );
  };
}

const isPlain = (task: NewTask): boolean =>
  task.parentId === undefined &&
  task.options === undefined &&
  task.limits === undefined &&
  task.dueAt === undefined &&
  task.attemptTimeoutMs === undefined &&
  task.idempotencyKey === undefined;
