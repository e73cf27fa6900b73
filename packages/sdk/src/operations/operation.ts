import type { ErrorCode } from '@opspawn/agentkit/schema';
import type { z } from 'zod';

/** What a caller needs a right to. `public` needs none. */
export type Scope =
  | 'public'
  | 'tasks:read'
  | 'tasks:write'
  | 'definitions:read'
  | 'definitions:write'
  | 'settings:read'
  | 'settings:write'
  | 'limits:read'
  | 'limits:write'
  | 'providers:read'
  | 'providers:write'
  | 'queues:read'
  | 'queues:write';

export type Success =
  /** The first status is for what was made now, the second for what was there already. */
  | { kind: 'json'; statuses: readonly [number, ...number[]]; schema: z.ZodType; hasLocation?: true }
  | { kind: 'empty'; statuses: readonly [204] }
  /** Server-sent events; 204 when the client has seen the end. */
  | { kind: 'events'; statuses: readonly [200, 204]; events: Readonly<Record<string, z.ZodType>> };

/**
 * One operation, said once: routes, client, OpenAPI, gRPC and reference pages are derived from it. Path parameters
 * are written `{taskId}`. An operation has a query or a body, not both; unknown fields of either are refused.
 */
export interface Operation {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: `/${string}`;
  /** Further paths with the same behaviour, for earlier clients. */
  aliases?: readonly `/${string}`[];
  /** Method of the gRPC service; its camelCase is the operationId. */
  rpc: string;
  scope: Scope;
  summary: string;
  description: string;
  params?: z.ZodObject;
  query?: z.ZodObject;
  /** Header names in lower case. Other headers are nobody's business here. */
  headers?: z.ZodObject;
  body?: { schema: z.ZodType; required: boolean; limitBytes: number };
  success: Success;
  /** Beside those that every operation has (`commonErrors`) and those of its body. */
  errors: readonly ErrorCode[];
  /**
   * Whether the same call again is harmless, so that a client may repeat it when the answer got lost: always, never,
   * or when the input has this field.
   */
  repeatable: boolean | { withField: string };
}

/** What any call may come to. */
export const commonErrors = [
  'invalid_argument',
  'permission_denied',
  'unavailable',
  'timeout',
  'internal',
] as const satisfies readonly ErrorCode[];

const bodyErrors = ['payload_too_large', 'unsupported_media_type'] as const satisfies readonly ErrorCode[];

/** Every code that a call of the operation may answer with. */
export const errorsOf = (operation: Operation): readonly ErrorCode[] => [
  ...commonErrors,
  ...(operation.scope === 'public' ? [] : (['unauthenticated'] as const)),
  ...(operation.body === undefined ? [] : bodyErrors),
  ...operation.errors,
];
