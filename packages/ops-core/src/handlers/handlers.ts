import type { OperationId } from '@opspawn/sdk';
import { bulkHandlers } from './bulk-tasks.ts';
import { createHandlers } from './create-task.ts';
import { flowHandlers } from './flow-handlers.ts';
import type { HandlersOf } from './handler.ts';
import { mcpHandlers } from './mcp-tools.ts';
import { providerHandlers } from './provider-handlers.ts';
import { queueHandlers } from './queue-handlers.ts';
import { spendingHandlers } from './spending-handlers.ts';
import { taskHandlers } from './task-handlers.ts';
import { watchHandlers } from './watch-task.ts';

/** What each operation does, for every door. */
export const handlers: HandlersOf<OperationId> = {
  ...createHandlers,
  ...taskHandlers,
  ...bulkHandlers,
  ...flowHandlers,
  ...providerHandlers,
  ...spendingHandlers,
  ...queueHandlers,
  ...watchHandlers,
  ...mcpHandlers,
  'definitions.list': async ({ engine, principal }) => ({
    body: { items: await engine.definitions(principal) },
  }),
  'settings.get': async ({ engine, principal }) => ({ body: await engine.settings(principal) }),
  'settings.set': async ({ engine, principal }, { body }) => ({
    body: await engine.setSettings(principal, body),
  }),
  'namespaces.getSettings': async ({ engine, principal }, { params }) => ({
    body: await engine.settings(principal, params.namespace),
  }),
  'namespaces.setSettings': async ({ engine, principal }, { params, body }) => ({
    body: await engine.setSettings(principal, body, params.namespace),
  }),
  'service.health': async () => ({ body: { status: 'ok' } }),
  'service.ready': async ({ engine }) => ({ body: await engine.ready() }),
};
