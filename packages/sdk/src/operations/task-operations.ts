import { z } from 'zod';
import { decideStepSchema, resolveStepSchema } from '../schema/resolution.ts';
import { taskSchema } from '../schema/task.ts';
import {
  cancelTaskSchema,
  createTaskRequestSchema,
  createTasksResultSchema,
  createTasksSchema,
  journalPageSchema,
  listTasksSchema,
  readJournalSchema,
  signalTaskSchema,
  taskIdSchema,
  taskListSchema,
  watchTaskSchema,
} from '../schema/task-request.ts';
import { watchEventData } from '../schema/watch-event.ts';
import { whySchema } from '../schema/why.ts';
import type { Operation } from './operation.ts';

const mebibyte = 1024 * 1024;
const params = z.strictObject({ taskId: taskIdSchema });
const task = { kind: 'json', statuses: [200], schema: taskSchema } as const;
const body = <S extends z.ZodType>(schema: S) => ({ schema, required: true, limitBytes: mebibyte }) as const;

export const taskOperations = {
  'tasks.create': {
    method: 'POST',
    path: '/v1/tasks',
    aliases: ['/api/v1/tasks'],
    rpc: 'CreateTask',
    scope: 'tasks:write',
    summary: 'Create a task',
    description:
      'Answered after the task is safely stored: 201 for a new task, 200 for the one that the idempotency key made ' +
      'before. The key is given in the body or as `Idempotency-Key`; two different ones are refused, and a key that ' +
      'was used with another request is `idempotency_conflict`.',
    headers: z.object({
      // One pattern: generators of clients make nothing of two.
      'idempotency-key': z
        .string()
        .min(1)
        .max(200)
        .regex(/^[ -~]*$/, 'must be ASCII; in the body it need not be')
        .optional(),
    }),
    // Prompts hold images and files.
    body: { ...body(createTaskRequestSchema), limitBytes: 16 * mebibyte },
    success: { kind: 'json', statuses: [201, 200], schema: taskSchema, hasLocation: true },
    errors: ['idempotency_conflict', 'quota_exceeded'],
    repeatable: { withField: 'idempotencyKey' },
  },
  'tasks.createMany': {
    method: 'POST',
    path: '/v1/tasks/batch',
    rpc: 'CreateTasks',
    scope: 'tasks:write',
    summary: 'Create up to 10,000 tasks in one transaction',
    description:
      'One invalid task refuses the whole batch and nothing is written. An idempotency key that was used with another ' +
      'request fails that task alone. Keys stand in the tasks, never in `Idempotency-Key`.',
    headers: z.object({
      'idempotency-key': z
        .never('must not be sent with a batch: each task has its own idempotencyKey')
        .optional(),
    }),
    body: { schema: createTasksSchema, required: true, limitBytes: 32 * mebibyte },
    success: { kind: 'json', statuses: [200], schema: createTasksResultSchema },
    errors: ['quota_exceeded'],
    repeatable: false,
  },
  'tasks.get': {
    method: 'GET',
    path: '/v1/tasks/{taskId}',
    rpc: 'GetTask',
    scope: 'tasks:read',
    summary: 'Get a task',
    description: 'The task as it stands, with the tokens and the cost of its model calls.',
    params,
    success: task,
    errors: ['not_found'],
    repeatable: true,
  },
  'tasks.why': {
    method: 'GET',
    path: '/v1/tasks/{taskId}/why',
    rpc: 'ExplainTask',
    scope: 'tasks:read',
    summary: 'Say what holds a task back',
    description:
      'All that stands between the task and its end now, the nearest first: a time, a session, a limit, a rate, a ' +
      'missing worker, what it waits for, who runs it.',
    params,
    success: { kind: 'json', statuses: [200], schema: whySchema },
    errors: ['not_found'],
    repeatable: true,
  },
  'tasks.list': {
    method: 'GET',
    path: '/v1/tasks',
    aliases: ['/api/v1/tasks'],
    rpc: 'ListTasks',
    scope: 'tasks:read',
    summary: 'List tasks, newest first',
    description: 'All filters must match. Follow `nextCursor` until there is none.',
    query: listTasksSchema,
    success: { kind: 'json', statuses: [200], schema: taskListSchema },
    errors: [],
    repeatable: true,
  },
  'tasks.cancel': {
    method: 'POST',
    path: '/v1/tasks/{taskId}/cancel',
    rpc: 'CancelTask',
    scope: 'tasks:write',
    summary: 'Cancel a task and its children',
    description:
      'A task that no attempt has begun ends at once; any other is asked to, and its attempt is aborted and writes the ' +
      'end. Cancelling a cancelled task gives the task again; a task that ended otherwise is `wrong_state`.',
    params,
    body: { schema: cancelTaskSchema, required: false, limitBytes: mebibyte },
    success: task,
    errors: ['not_found', 'wrong_state'],
    repeatable: true,
  },
  'tasks.retry': {
    method: 'POST',
    path: '/v1/tasks/{taskId}/retry',
    rpc: 'RetryTask',
    scope: 'tasks:write',
    summary: 'Retry a failed task',
    description: 'Makes it pending again. Recorded results stay; the failed step runs again.',
    params,
    success: task,
    errors: ['not_found', 'wrong_state'],
    repeatable: false,
  },
  'tasks.pause': {
    method: 'POST',
    path: '/v1/tasks/{taskId}/pause',
    rpc: 'PauseTask',
    scope: 'tasks:write',
    summary: 'Pause a task',
    description:
      'It stops before its next step, until it is resumed. Pausing a paused task gives the task again.',
    params,
    success: task,
    errors: ['not_found', 'wrong_state'],
    repeatable: true,
  },
  'tasks.resume': {
    method: 'POST',
    path: '/v1/tasks/{taskId}/resume',
    rpc: 'ResumeTask',
    scope: 'tasks:write',
    summary: 'Resume a paused task',
    description: 'Also after a pause by Opspawn itself (`pausedReason`), once its cause is mended.',
    params,
    success: task,
    errors: ['not_found', 'wrong_state'],
    repeatable: false,
  },
  'tasks.signal': {
    method: 'POST',
    path: '/v1/tasks/{taskId}/signals',
    rpc: 'SignalTask',
    scope: 'tasks:write',
    summary: 'Send a signal to a task',
    description: 'Kept until the task waits for a signal of that name.',
    params,
    body: body(signalTaskSchema),
    success: { kind: 'empty', statuses: [204] },
    errors: ['not_found', 'wrong_state'],
    repeatable: { withField: 'id' },
  },
  'tasks.resolve': {
    method: 'POST',
    path: '/v1/tasks/{taskId}/resolutions',
    rpc: 'ResolveStep',
    scope: 'tasks:write',
    summary: 'Resolve an effect in doubt',
    description:
      'Says what became of an effect whose intent is recorded and whose result is not: do it again, take this result, ' +
      'or fail the step. `step` is that of the task’s wait of kind `doubt`. The first resolution counts; another one is ' +
      '`already_decided`.',
    params,
    body: body(resolveStepSchema),
    success: task,
    errors: ['not_found', 'wrong_state', 'already_decided'],
    repeatable: false,
  },
  'tasks.decide': {
    method: 'POST',
    path: '/v1/tasks/{taskId}/decisions',
    rpc: 'DecideStep',
    scope: 'tasks:write',
    summary: 'Decide an approval or answer a question',
    description:
      '`step` is that of the task’s wait of kind `approval` or `question`. The first decision counts: the same one sent ' +
      'again by the same caller answers as the first time, another one is `already_decided`, whose details name who ' +
      'decided what and when. One that comes too late is `wrong_state`, whose details say when it expired; `unavailable` ' +
      'says that the request is open and the task does something else at the moment. An answer has to fit the `schema` ' +
      'of the question’s `data`, where it has one; `deny` declines a question.',
    params,
    body: body(decideStepSchema),
    success: task,
    errors: ['not_found', 'wrong_state', 'already_decided'],
    repeatable: true,
  },
  'tasks.journal': {
    method: 'GET',
    path: '/v1/tasks/{taskId}/journal',
    rpc: 'ReadJournal',
    scope: 'tasks:read',
    summary: 'Read a task’s journal',
    description: 'What happened in the task, in order, oldest first.',
    params,
    query: readJournalSchema,
    success: { kind: 'json', statuses: [200], schema: journalPageSchema },
    errors: ['not_found'],
    repeatable: true,
  },
  'tasks.watch': {
    method: 'GET',
    path: '/v1/tasks/{taskId}/events',
    rpc: 'WatchTask',
    scope: 'tasks:read',
    summary: 'Watch a task as server-sent events',
    description:
      'Every journal entry once and in order (`entry`, with its `seq` as the id), live events between them (`live`, ' +
      'without an id), the unfinished task when its status changed (`status`), and at last the finished task (`end`); then the ' +
      'server closes. A client that lost the connection connects again with `Last-Event-ID`; after the last entry it ' +
      'gets `end` at once, and with the id of `end` itself 204, which stops an EventSource. A comment is sent every ' +
      '15 seconds, and a connection that takes nothing for a minute is closed.',
    params,
    query: watchTaskSchema,
    headers: z.object({
      'last-event-id': z
        .string()
        .regex(/^(?:\d{1,15}(?:-end)?)?$/, 'must be the id of an event of this task')
        .optional(),
    }),
    success: { kind: 'events', statuses: [200, 204], events: watchEventData },
    errors: ['not_found'],
    repeatable: true,
  },
} as const satisfies Record<string, Operation>;
