import type { OperationId, Operations, WatchEvent } from '@opspawn/sdk';
import type { z } from 'zod';
import type { Principal } from '../auth/principal.ts';
import type { Engine } from '../tasks/engine-interface.ts';

export interface HandlerContext {
  engine: Engine;
  principal: Principal;
  /** Fires when the caller is gone or the server shuts down; ends what is watched. */
  signal: AbortSignal;
}

type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined;
type ParsedBody<B> = B extends { schema: infer S; required: infer R }
  ? Parsed<S> | (R extends true ? never : undefined)
  : undefined;
type Part<O, K extends string> = O extends Record<K, infer S> ? S : undefined;

/** A request after its operation's schemas. */
export interface RequestOf<O> {
  params: Parsed<Part<O, 'params'>>;
  query: Parsed<Part<O, 'query'>>;
  headers: Parsed<Part<O, 'headers'>>;
  body: ParsedBody<Part<O, 'body'>>;
}

export interface Reply<T> {
  body: T;
  /** false: it was there already, so the operation's second status. */
  created?: boolean;
  /** Path of what was made. */
  location?: string;
}

/** For a stream, undefined says that there is nothing left to tell. */
type ReplyOf<O> = O extends { success: { kind: 'json'; schema: infer S extends z.ZodType } }
  ? Reply<z.output<S>>
  : O extends { success: { kind: 'events' } }
    ? AsyncIterable<WatchEvent> | undefined
    : undefined;

export type Handler<O> = (context: HandlerContext, request: RequestOf<O>) => Promise<ReplyOf<O>>;

/** One handler per operation of a part of the table. */
export type HandlersOf<Ids extends OperationId> = { readonly [Id in Ids]: Handler<Operations[Id]> };
