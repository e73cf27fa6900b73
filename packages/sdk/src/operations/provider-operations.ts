import { z } from 'zod';
import {
  providerLimitSchema,
  providerListSchema,
  providerNameSchema,
  providerSchema,
} from '../schema/provider.ts';
import type { Operation } from './operation.ts';

const params = z.strictObject({ provider: providerNameSchema });

/** What the keys of model providers may send, for the whole deployment. */
export const providerOperations = {
  'providers.list': {
    method: 'GET',
    path: '/v1/providers',
    rpc: 'ListProviders',
    scope: 'providers:read',
    summary: 'List the budgets of model providers and their use',
    description:
      'Those that an operator has set and those that workers are configured with, which all workers of the deployment ' +
      'share. A namespace other than `default` may not see them.',
    success: { kind: 'json', statuses: [200], schema: providerListSchema },
    errors: [],
    repeatable: true,
  },
  'providers.set': {
    method: 'PUT',
    path: '/v1/providers/{provider}',
    rpc: 'SetProvider',
    scope: 'providers:write',
    summary: 'Set the budget of a model provider',
    description:
      'In the place of an earlier one, and before what workers are configured with; workers heed it within seconds. An ' +
      'empty one takes every bound away.',
    params,
    body: { schema: providerLimitSchema, required: true, limitBytes: 65_536 },
    success: { kind: 'json', statuses: [200], schema: providerSchema },
    errors: [],
    repeatable: true,
  },
  'providers.delete': {
    method: 'DELETE',
    path: '/v1/providers/{provider}',
    rpc: 'DeleteProvider',
    scope: 'providers:write',
    summary: 'Delete the budget of a model provider',
    description: 'From then on what workers are configured with counts again.',
    params,
    success: { kind: 'empty', statuses: [204] },
    errors: ['not_found'],
    repeatable: true,
  },
} as const satisfies Record<string, Operation>;
