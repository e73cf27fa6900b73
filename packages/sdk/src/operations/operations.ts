import { definitionListSchema } from '../schema/definition.ts';
import { healthSchema, readinessSchema } from '../schema/health.ts';
import { bulkOperations } from './bulk-operations.ts';
import { flowOperations } from './flow-operations.ts';
import { mcpOperations } from './mcp-operations.ts';
import type { Operation } from './operation.ts';
import { providerOperations } from './provider-operations.ts';
import { queueOperations } from './queue-operations.ts';
import { settingsOperations } from './settings-operations.ts';
import { spendingOperations } from './spending-operations.ts';
import { taskOperations } from './task-operations.ts';

/** Every operation of Opspawn, once. */
export const operations = {
  ...taskOperations,
  ...bulkOperations,
  ...settingsOperations,
  ...mcpOperations,
  ...flowOperations,
  ...providerOperations,
  ...spendingOperations,
  ...queueOperations,
  'definitions.list': {
    method: 'GET',
    path: '/v1/definitions',
    rpc: 'ListDefinitions',
    scope: 'definitions:read',
    summary: 'List agents, functions and workflows',
    description: 'What workers have registered, so what a task can be made of.',
    success: { kind: 'json', statuses: [200], schema: definitionListSchema },
    errors: [],
    repeatable: true,
  },
  'service.health': {
    method: 'GET',
    path: '/health',
    rpc: 'GetHealth',
    scope: 'public',
    summary: 'Whether the process lives',
    description: 'Asks nothing of the database.',
    success: { kind: 'json', statuses: [200], schema: healthSchema },
    errors: [],
    repeatable: true,
  },
  'service.ready': {
    method: 'GET',
    path: '/ready',
    rpc: 'GetReadiness',
    scope: 'public',
    summary: 'Whether the server can take work',
    description:
      '`unavailable` while the database cannot be reached, when its data was moved to another (`opspawn db copy`), or while the server shuts down. `broker` is `away` while other processes are not reached: work goes on, and workers notice it up to a second later.',
    success: { kind: 'json', statuses: [200], schema: readinessSchema },
    errors: [],
    repeatable: true,
  },
} as const satisfies Record<string, Operation>;

export type Operations = typeof operations;
export type OperationId = keyof Operations;

/** The version of the API, as OpenAPI states it. */
export const apiVersion = '1.0.0';
