import { bulkCancelSchema, bulkResultSchema, bulkTasksSchema } from '../schema/bulk.ts';
import { failureListSchema, listFailuresSchema } from '../schema/failure.ts';
import type { Operation } from './operation.ts';

const success = { kind: 'json', statuses: [200], schema: bulkResultSchema } as const;
const body = { schema: bulkTasksSchema, required: true, limitBytes: 1024 * 1024 } as const;

const howTo =
  'Send `dryRun: true` first: the answer says how many match and has a token. Send the same filter with that token, ' +
  'and then with the token of each answer, until there is none. Never more tasks are told than were counted, and none ' +
  'that was created later; one that is in another state by then is skipped. A call may be repeated.';

/** Many tasks at once. */
export const bulkOperations = {
  'tasks.cancelMany': {
    method: 'POST',
    path: '/v1/tasks/bulk/cancel',
    rpc: 'CancelTasks',
    scope: 'tasks:write',
    summary: 'Cancel all tasks that match a filter',
    description: howTo,
    body: { ...body, schema: bulkCancelSchema },
    success,
    errors: [],
    repeatable: true,
  },
  'tasks.retryMany': {
    method: 'POST',
    path: '/v1/tasks/bulk/retry',
    rpc: 'RetryTasks',
    scope: 'tasks:write',
    summary: 'Retry all failed tasks that match a filter',
    description: `The oldest first. ${howTo}`,
    body,
    success,
    errors: [],
    repeatable: true,
  },
  'tasks.pauseMany': {
    method: 'POST',
    path: '/v1/tasks/bulk/pause',
    rpc: 'PauseTasks',
    scope: 'tasks:write',
    summary: 'Pause all tasks that match a filter',
    description: howTo,
    body,
    success,
    errors: [],
    repeatable: true,
  },
  'tasks.resumeMany': {
    method: 'POST',
    path: '/v1/tasks/bulk/resume',
    rpc: 'ResumeTasks',
    scope: 'tasks:write',
    summary: 'Resume all paused tasks that match a filter',
    description: `The oldest first. ${howTo}`,
    body,
    success,
    errors: [],
    repeatable: true,
  },
  'failures.list': {
    method: 'GET',
    path: '/v1/failures',
    rpc: 'ListFailures',
    scope: 'tasks:read',
    summary: 'List what failed, by error and name',
    description:
      'The dead letters: failed tasks by the code of their error, their kind and name, counted, with the newest one’s whole chain of ' +
      'errors. `tasks.list` with `status=failed` and `errorCode` lists the tasks of a group, and `tasks.retryMany` retries them.',
    query: listFailuresSchema,
    success: { kind: 'json', statuses: [200], schema: failureListSchema },
    errors: [],
    repeatable: true,
  },
} as const satisfies Record<string, Operation>;
