import { namespaceSettingsSchema } from '../schema/namespace-settings.ts';
import type { Operation } from './operation.ts';

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
    description: 'Puts these in the place of all earlier ones. Servers heed them within seconds.',
    body: { schema: namespaceSettingsSchema, required: true, limitBytes: 65_536 },
    success,
    errors: [],
    repeatable: true,
  },
} as const satisfies Record<string, Operation>;
