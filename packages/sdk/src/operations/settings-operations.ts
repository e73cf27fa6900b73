import { z } from 'zod';
import { namespaceSettingsSchema } from '../schema/namespace-settings.ts';
import { nameSchema } from '../schema/task.ts';
import type { Operation } from './operation.ts';

const params = z.strictObject({ namespace: nameSchema });
const success = { kind: 'json', statuses: [200], schema: namespaceSettingsSchema } as const;

export const settingsOperations = {
  'settings.get': {
    method: 'GET',
    path: '/v1/settings',
    rpc: 'GetSettings',
    scope: 'settings:read',
    summary: 'Get the settings of the namespace',
    description: 'How long it keeps finished tasks, and its quotas. What is absent is as the server is set.',
    success,
    errors: [],
    repeatable: true,
  },
  'settings.set': {
    method: 'POST',
    path: '/v1/settings',
    rpc: 'SetSettings',
    scope: 'settings:write',
    summary: 'Set the settings of the namespace',
    description:
      'Puts these in the place of all earlier ones, and with a `revision` only of those that were read with it: no change of somebody else is lost. Servers heed them within seconds. For keys of the namespace `default`.',
    body: { schema: namespaceSettingsSchema, required: true, limitBytes: 65_536 },
    success,
    errors: ['wrong_state'],
    repeatable: true,
  },
  'namespaces.getSettings': {
    method: 'GET',
    path: '/v1/namespaces/{namespace}/settings',
    rpc: 'GetNamespaceSettings',
    scope: 'settings:read',
    summary: 'Get the settings of any namespace',
    description: 'For keys of the namespace `default`, or of that one.',
    params,
    success,
    errors: [],
    repeatable: true,
  },
  'namespaces.setSettings': {
    method: 'POST',
    path: '/v1/namespaces/{namespace}/settings',
    rpc: 'SetNamespaceSettings',
    scope: 'settings:write',
    summary: 'Set the settings of any namespace',
    description: 'As `POST /v1/settings` for its own. For keys of the namespace `default`.',
    params,
    body: { schema: namespaceSettingsSchema, required: true, limitBytes: 65_536 },
    success,
    errors: ['wrong_state'],
    repeatable: true,
  },
} as const satisfies Record<string, Operation>;
