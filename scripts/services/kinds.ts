import { bubblewrap } from './bubblewrap.ts';
import { postgres } from './postgres.ts';
import { rabbitmq } from './rabbitmq.ts';
import type { ServiceKind } from './service.ts';

export const services = { bubblewrap, postgres, rabbitmq } as const satisfies Record<string, ServiceKind>;

export type ServiceName = keyof typeof services;
