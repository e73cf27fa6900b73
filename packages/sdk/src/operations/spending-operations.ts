import {
  listSpendingSchema,
  sessionParamsSchema,
  sessionSchema,
  spendingListSchema,
} from '../schema/spending.ts';
import type { Operation } from './operation.ts';

/** What agents have cost, and the sessions in which they did. */
export const spendingOperations = {
  'spending.list': {
    method: 'GET',
    path: '/v1/spending',
    rpc: 'ListSpending',
    scope: 'tasks:read',
    summary: 'List what agents have cost',
    description:
      'Tokens and cost by session, agent or day, those first that were added to last. A task is counted when an attempt of ' +
      'its ends or waits; the sums outlive the tasks.',
    query: listSpendingSchema,
    success: { kind: 'json', statuses: [200], schema: spendingListSchema },
    errors: [],
    repeatable: true,
  },
  'sessions.get': {
    method: 'GET',
    path: '/v1/sessions/{sessionId}',
    rpc: 'GetSession',
    scope: 'tasks:read',
    summary: 'Get a session and what it has cost',
    description: 'Any session; one that nobody used has no runs and has cost nothing.',
    params: sessionParamsSchema,
    success: { kind: 'json', statuses: [200], schema: sessionSchema },
    errors: [],
    repeatable: true,
  },
  'sessions.delete': {
    method: 'DELETE',
    path: '/v1/sessions/{sessionId}',
    rpc: 'DeleteSession',
    scope: 'tasks:write',
    summary: 'Delete a session',
    description:
      'Its conversation, the memories and blocks that are only its own, and what it has cost. Its finished tasks stay ' +
      'until they are deleted by their age; `wrong_state` while it has others.',
    params: sessionParamsSchema,
    success: { kind: 'empty', statuses: [204] },
    errors: ['wrong_state'],
    repeatable: true,
  },
} as const satisfies Record<string, Operation>;
