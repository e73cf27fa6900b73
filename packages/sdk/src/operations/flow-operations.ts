import { z } from 'zod';
import { limitKeySchema, limitListSchema, limitSchema, setLimitSchema } from '../schema/limit.ts';
import type { Operation } from './operation.ts';

const mebibyte = 1024 * 1024;
const params = z.strictObject({ key: limitKeySchema });
const limit = { kind: 'json', statuses: [200], schema: limitSchema } as const;

/** What may run when. */
export const flowOperations = {
  'limits.list': {
    method: 'GET',
    path: '/v1/limits',
    rpc: 'ListLimits',
    scope: 'limits:read',
    summary: 'List the limits that are set',
    description: 'With the tasks that run and wait under each. Keys that only tasks name are not listed.',
    success: { kind: 'json', statuses: [200], schema: limitListSchema },
    errors: [],
    repeatable: true,
  },
  'limits.get': {
    method: 'GET',
    path: '/v1/limits/{key}',
    rpc: 'GetLimit',
    scope: 'limits:read',
    summary: 'Get a key as it stands',
    description: 'Any key; one that nobody uses has nothing running and nothing waiting.',
    params,
    success: limit,
    errors: [],
    repeatable: true,
  },
  'limits.set': {
    method: 'PUT',
    path: '/v1/limits/{key}',
    rpc: 'SetLimit',
    scope: 'limits:write',
    summary: 'Set the limit of a key',
    description:
      'In the place of an earlier one, and before what tasks say of the key. Who may now run is made ready at once; ' +
      'nobody who runs is stopped. Keys of a queue or a definition count tasks that are submitted from then on.',
    params,
    body: { schema: setLimitSchema, required: true, limitBytes: mebibyte },
    success: limit,
    errors: [],
    repeatable: true,
  },
  'limits.delete': {
    method: 'DELETE',
    path: '/v1/limits/{key}',
    rpc: 'DeleteLimit',
    scope: 'limits:write',
    summary: 'Delete the limit of a key',
    description: 'From then on what its tasks say of the key counts again.',
    params,
    success: { kind: 'empty', statuses: [204] },
    errors: ['not_found'],
    repeatable: true,
  },
} as const satisfies Record<string, Operation>;
