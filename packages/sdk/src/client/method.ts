import type { OpspawnError } from '@opspawn/agentkit/schema';
import type { z } from 'zod';
import type { OperationId, Operations } from '../operations/operations.ts';
import type { WatchEvent } from '../schema/watch-event.ts';

export interface CallOptions {
  signal?: AbortSignal;
  /** For this call with all its tries. Default: the client's. */
  timeoutMs?: number;
}

export interface WatchOptions {
  /** Entries with a greater `seq`. Default 0: from the start. */
  after?: number;
  signal?: AbortSignal;
  /** How long a lost connection is tried again, in ms. Default 300,000. */
  reconnectForMs?: number;
  /** Told why a connection was lost, once until one is made again. */
  onLost?: (error: OpspawnError) => void;
}

/** What a call of an operation takes beside its path: its body, or else its query. */
type InputOf<O> = O extends { body: { schema: infer S extends z.ZodType } }
  ? z.input<S>
  : O extends { query: infer Q extends z.ZodType }
    ? z.input<Q>
    : undefined;

type OutputOf<O> = O extends { success: { kind: 'json'; schema: infer S extends z.ZodType } }
  ? z.output<S>
  : undefined;

type PathArguments<O> = O extends { params: z.ZodObject } ? [idOrKey: string] : [];

/** In brackets, so that an input that is a union stays one argument. */
type InputArguments<I> = [I] extends [undefined]
  ? []
  : Record<never, never> extends I
    ? [input?: I]
    : [input: I];

type Method<O> = O extends { success: { kind: 'events' } }
  ? (taskId: string, options?: WatchOptions) => AsyncGenerator<WatchEvent, void, undefined>
  : (
      ...args: [...PathArguments<O>, ...InputArguments<InputOf<O>>, options?: CallOptions]
    ) => Promise<OutputOf<O>>;

type Group<Id> = Id extends `${infer G}.${string}` ? G : never;

/** One method per operation: `tasks.create` of the table is `client.tasks.create`. */
export type Client = {
  readonly [G in Group<OperationId>]: {
    readonly [Id in Extract<OperationId, `${G}.${string}`> as Id extends `${G}.${infer M}`
      ? M
      : never]: Method<Operations[Id]>;
  };
};
