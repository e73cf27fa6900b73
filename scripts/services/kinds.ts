import { bubblewrap } from './bubblewrap.ts';
import { postgres } from './postgres.ts';
import type { ServiceKind } from './service.ts';

export const services = { bubblewrap, postgres } as const satisfies Record<string, ServiceKind>;

export type ServiceName = keyof typeof services;
