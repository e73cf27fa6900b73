/** Rows of the store as the APIs show them. */
import { type Json, recordedUsageSchema } from '@opspawn/agentkit/schema';
import {
  type CreateTask,
  type Entry,
  type Failure,
  type Limit,
  type OpenWait,
  retryPolicySchema,
  type Task,
} from '@opspawn/sdk';
import { z } from 'zod';
import type { FailureGroup } from '../storage/parts/failures.ts';
import type { LimitState } from '../storage/parts/flow-control.ts';
import type { EntryRow, NewTask, StoredWait, TaskRow } from '../storage/store.ts';
import {
  parseData,
  stepCompletedSchema,
  taskCompletedSchema,
  taskFailedSchema,
} from './durable/entry-data.ts';
import { taskBudgetSchema } from './task-budget.ts';

/** What a task carries that the store does not look at. */
export const taskOptionsSchema = z.object({
  retry: retryPolicySchema.optional(),
  injectMcpProxy: z.boolean().optional(),
  metadata: z.record(z.string(), z.string()).optional(),
  budget: taskBudgetSchema.optional(),
});
export type TaskOptions = z.infer<typeof taskOptionsSchema>;

export const parseTaskOptions = (text: string | undefined): TaskOptions =>
  text === undefined ? {} : taskOptionsSchema.parse(JSON.parse(text));

let latest = { unixMs: 0, text: new Date(0).toISOString() };

/** Remembers the latest: what is accepted in one commit has one time. */
function isoTime(unixMs: number): string {
  if (unixMs !== latest.unixMs) latest = { unixMs, text: new Date(unixMs).toISOString() };
  return latest.text;
}

/** Drops what is undefined: an absent field stands for it in JSON. */
function present<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

/** A task that was just accepted, without asking the store for it: this is done for every submission. */
export function viewNewTask(task: NewTask, { input, metadata = {} }: CreateTask, createdAt: number): Task {
  const { id, namespace, kind, name, queue, priority, dueAt, sessionId, idempotencyKey } = task;
  const view: Task = {
    id,
    namespace,
    kind,
    name,
    status: 'pending',
    queue,
    priority,
    attempt: 0,
    failures: 0,
    waits: [],
    metadata,
    entries: 0,
    createdAt: isoTime(createdAt),
  };
  if (input !== undefined) view.input = input;
  if (dueAt !== undefined) view.dueAt = isoTime(dueAt);
  const deadlineAt = task.deadlineAt ?? createdAt + (task.timeoutMs ?? Number.NaN);
  if (!Number.isNaN(deadlineAt)) view.deadlineAt = isoTime(deadlineAt);
  if (sessionId !== undefined) view.sessionId = sessionId;
  if (task.limits !== undefined) view.limits = [...task.limits];
  if (idempotencyKey !== undefined) view.idempotencyKey = idempotencyKey;
  return view;
}

export function viewLimit({ key, setting, running, waiting, holders, nextStartAt }: LimitState): Limit {
  const { maxRunning, rate } = setting ?? {};
  return present({
    key,
    setting: setting === undefined ? undefined : present({ maxRunning, rate }),
    running,
    waiting,
    holders: [...holders],
    nextStartAt: nextStartAt === undefined ? undefined : isoTime(nextStartAt),
  }) as Limit;
}

/** Without `usage`, which only the journal knows. */
export function viewTask(row: TaskRow): Task {
  const fields: { [K in keyof Task]: Task[K] | undefined } = {
    id: row.id,
    namespace: row.namespace,
    kind: row.kind,
    name: row.name,
    status: row.status,
    queue: row.queue,
    priority: row.priority,
    attempt: row.attempt,
    failures: row.failures,
    input: parseJson(row.input),
    output: row.status === 'completed' ? parseData(taskCompletedSchema, row.outcome).output : undefined,
    error: row.status === 'failed' ? parseData(taskFailedSchema, row.outcome).error : undefined,
    waits: row.waits.map(viewWait),
    pausedReason: row.pausedReason,
    sessionId: row.sessionId,
    limits: row.limits.length === 0 ? undefined : [...row.limits],
    parentId: row.parentId,
    idempotencyKey: row.idempotencyKey,
    metadata: parseTaskOptions(row.options).metadata ?? {},
    entries: row.lastSeq,
    createdAt: isoTime(row.createdAt),
    dueAt: row.dueAt === undefined ? undefined : isoTime(row.dueAt),
    deadlineAt: row.deadlineAt === undefined ? undefined : isoTime(row.deadlineAt),
    finishedAt: row.finishedAt === undefined ? undefined : isoTime(row.finishedAt),
  };
  return present(fields) as Task;
}

export function viewFailure(group: FailureGroup): Failure {
  const { errorCode, kind, name, count, firstAt, lastAt, taskId, outcome } = group;
  return {
    errorCode,
    kind,
    name,
    count,
    firstFailedAt: isoTime(firstAt),
    lastFailedAt: isoTime(lastAt),
    latest: { taskId, error: parseData(taskFailedSchema, outcome).error },
  };
}

function viewWait({ step, kind, name, dueAt, data }: StoredWait): OpenWait {
  return present({
    step,
    kind,
    name,
    dueAt: dueAt === undefined ? undefined : isoTime(dueAt),
    data: parseJson(data),
  }) as OpenWait;
}

export function viewEntry({ seq, type, attempt, at, branch, name, count, data }: EntryRow): Entry {
  return present({ seq, type, attempt, at, branch, name, count, data: parseJson(data) }) as Entry;
}

const llmValueSchema = z.object({ usage: recordedUsageSchema });

/** Adds up what the model calls of a journal used; undefined when there was none. */
export class UsageSum {
  #sum: Task['usage'];

  add(row: Pick<EntryRow, 'type' | 'data'>): void {
    if (row.type !== 'step.completed' || row.data === undefined || !row.data.includes('"kind":"llm"')) return;
    const { kind, value } = parseData(stepCompletedSchema, row.data);
    const usage = kind === 'llm' ? llmValueSchema.safeParse(value).data?.usage : undefined;
    if (usage === undefined) return;
    const sum = this.#sum;
    this.#sum = sum === undefined ? usage : addUsage(sum, usage);
  }

  get total(): Task['usage'] {
    return this.#sum;
  }
}

type Usage = NonNullable<Task['usage']>;

/** The cost is known only when that of every call is. */
function addUsage(a: Usage, b: Usage): Usage {
  const sum: Usage = {
    inputTokens: a.inputTokens + b.inputTokens,
    cachedInputTokens: a.cachedInputTokens + b.cachedInputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    reasoningTokens: a.reasoningTokens + b.reasoningTokens,
  };
  if (a.costMicroUsd !== undefined && b.costMicroUsd !== undefined) {
    sum.costMicroUsd = a.costMicroUsd + b.costMicroUsd;
  }
  return sum;
}

const parseJson = (text: string | undefined): Json | undefined =>
  text === undefined ? undefined : (JSON.parse(text) as Json);
