import { z } from 'zod';
import { queueListSchema, queueNameSchema, queueSchema, updateQueueSchema } from '../schema/queue.ts';
import type { Operation } from './operation.ts';

const params = z.strictObject({ queue: queueNameSchema });
const queue = { kind: 'json', statuses: [200], schema: queueSchema } as const;

export const queueOperations = {
  'queues.list': {
    method: 'GET',
    path: '/v1/queues',
    rpc: 'ListQueues',
    scope: 'queues:read',
    summary: 'List the queues',
    description:
      'Those that have unfinished tasks, that live workers serve, or of which somebody has said something, with the ' +
      'namespace’s tasks in them.',
    success: { kind: 'json', statuses: [200], schema: queueListSchema },
    errors: [],
    repeatable: true,
  },
  'queues.get': {
    method: 'GET',
    path: '/v1/queues/{queue}',
    rpc: 'GetQueue',
    scope: 'queues:read',
    summary: 'Get a queue as it stands',
    description: 'Any name; one that nobody uses has nothing in it.',
    params,
    success: queue,
    errors: [],
    repeatable: true,
  },
  'queues.update': {
    method: 'PATCH',
    path: '/v1/queues/{queue}',
    rpc: 'UpdateQueue',
    scope: 'queues:write',
    summary: 'Pause or resume a queue, or change its weight',
    description:
      'Only what is named changes. A paused queue starts nothing of this namespace on any worker, from the answer on and ' +
      'until it is resumed; what runs goes on, and a task that is cancelled ends. Workers heed a weight within seconds.',
    params,
    body: { schema: updateQueueSchema, required: true, limitBytes: 65_536 },
    success: queue,
    errors: [],
    repeatable: true,
  },
} as const satisfies Record<string, Operation>;
