import { AsyncLocalStorage } from 'node:async_hooks';
import type { Branch } from './branch.ts';
import type { EntryOwner } from './journal-writer.ts';

/** Where in a durable function the code that runs now belongs to. */
export interface Ambient {
  readonly run: { readonly taskId: string };
  readonly branch: Branch;
  /** The step whose code this is; undefined in the function itself. */
  readonly step: EntryOwner | undefined;
}

export const ambient = new AsyncLocalStorage<Ambient>();

/**
 * The task whose function or step the running code belongs to, also after the function was dropped. In a handler of
 * `unhandledRejection` it tells whose promise it was.
 */
export const ambientTaskId = (): string | undefined => ambient.getStore()?.run.taskId;
