import type { Json, RetryPolicy, StandardSchemaV1 } from '@opspawn/agentkit';
import type { Context } from '../durable/context.ts';

interface DurableOptions<Input, Output> {
  /** 1 to 63 of A-Z, a-z, 0-9, `_ . -`. */
  name: string;
  /** Raised when the meaning changes. Default `1`. */
  version?: string;
  description?: string;
  /** Checked where the task is submitted and decoded where it runs. Default: every JSON value is taken as it is. */
  input?: StandardSchemaV1<unknown, Input>;
  /** Where its tasks wait. Default `default`. */
  queue?: string;
  /** Of the whole task, and of its steps that have none of their own. Default: 3 tries, from 500 ms, doubling, to 30 s. */
  retry?: Partial<RetryPolicy>;
  /** Time for one attempt, in ms. Default one hour. */
  attemptTimeoutMs?: number;
  /** Time for the whole task from when it is accepted, with all its waits and retries, in ms. Default: no end. */
  timeoutMs?: number;
  /** At most `limit` of its tasks run at once, over all workers. With a `key` it shares the limit with others of that key. */
  concurrency?: { key?: string; limit: number };
  /** At most `count` of its tasks start at once, and on average `count` in each interval. */
  rate?: { key?: string; count: number; intervalMs: number };
  run(ctx: Context, input: Input): Output | Promise<Output>;
}

/** A durable function, under the word `function` or `workflow`: the same mechanism for both. */
export interface DurableDefinition extends Omit<DurableOptions<never, unknown>, 'input'> {
  readonly kind: 'function' | 'workflow';
  input?: StandardSchemaV1;
}

/** The same, with the types of its function. */
export type TypedDefinition<Input, Output> = DurableDefinition & Pick<DurableOptions<Input, Output>, 'run'>;

/** A function that runs as a task: one piece of work, with or without steps. */
export function defineFunction<Input = Json | undefined, Output = unknown>(
  options: DurableOptions<Input, Output>,
): TypedDefinition<Input, Output> {
  return { ...options, kind: 'function' };
}

/** A function that ties steps, agents, waits and people together, over any length of time. */
export function defineWorkflow<Input = Json | undefined, Output = unknown>(
  options: DurableOptions<Input, Output>,
): TypedDefinition<Input, Output> {
  return { ...options, kind: 'workflow' };
}

type PartialRetry = { [Field in keyof RetryPolicy]?: RetryPolicy[Field] | undefined };

/** The policy with what is given in its place. */
export const mergeRetry = (policy: RetryPolicy, given: PartialRetry = {}): RetryPolicy => ({
  maxAttempts: given.maxAttempts ?? policy.maxAttempts,
  initialDelayMs: given.initialDelayMs ?? policy.initialDelayMs,
  factor: given.factor ?? policy.factor,
  maxDelayMs: given.maxDelayMs ?? policy.maxDelayMs,
});
