import { bubblewrap } from './bubblewrap.ts';
import { postgres } from './postgres.ts';
import { rabbitmq } from './rabbitmq.ts';
import { redis } from './redis.ts';
import type { ServiceKind } from './service.ts';

export const services = { bubblewrap, postgres, rabbitmq, redis } as const satisfies Record<
  string,
  ServiceKind
>;

export type ServiceName = keyof typeof services;
