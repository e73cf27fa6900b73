import { postgres } from './postgres.ts';
import type { ServiceKind } from './service.ts';

export const services = { postgres } as const satisfies Record<string, ServiceKind>;

export type ServiceName = keyof typeof services;
