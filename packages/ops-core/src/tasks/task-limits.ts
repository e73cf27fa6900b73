import { OpspawnError } from '@opspawn/agentkit';
import type { CreateTask } from '@opspawn/sdk';
import type { TaskLimit } from '../storage/parts/flow-control.ts';
import type { CatalogEntry } from './definitions/catalog.ts';

type LimitRequest = Pick<CreateTask, 'concurrencyKey' | 'concurrencyLimit' | 'rateKey' | 'rateLimit'>;

interface LimitSource {
  request: LimitRequest;
  definition: Pick<CatalogEntry, 'kind' | 'name' | 'concurrency' | 'rate'>;
  queue: string;
  /** Keys that an operator has set. */
  shared: ReadonlySet<string>;
}

/** The key of all tasks of a queue. */
export const queueKey = (queue: string): string => `queue:${queue}`;
/** The key of all tasks of a definition. */
export const definitionKey = ({ kind, name }: { kind: string; name: string }): string => `${kind}:${name}`;

/**
 * All keys under which a task counts: those that it names itself, its definition's, and its queue's when an operator has
 * set it. What the task says goes before what its definition says. Throws `invalid_argument` for a limit without a key.
 */
export function limitsOf({ request, definition, queue, shared }: LimitSource): TaskLimit[] {
  const { concurrencyKey, concurrencyLimit, rateKey, rateLimit } = request;
  if (concurrencyLimit !== undefined && concurrencyKey === undefined)
    throw lacksKey('/concurrencyLimit', 'concurrencyKey');
  if (rateLimit !== undefined && rateKey === undefined) throw lacksKey('/rateLimit', 'rateKey');
  const limits = new Map<string, TaskLimit>();
  const add = (key: string | undefined, said: Omit<TaskLimit, 'key'>): void => {
    if (key !== undefined) limits.set(key, { key, ...said, ...limits.get(key) });
  };
  add(concurrencyKey, { maxRunning: concurrencyLimit ?? 1 });
  add(rateKey, rateLimit === undefined ? {} : { rate: rateLimit });
  const ofDefinition = definitionKey(definition);
  const { concurrency, rate } = definition;
  if (concurrency !== undefined) add(concurrency.key ?? ofDefinition, { maxRunning: concurrency.limit });
  if (rate !== undefined) {
    const { key = ofDefinition, count, intervalMs } = rate;
    add(key, { rate: { count, intervalMs } });
  }
  for (const key of [ofDefinition, queueKey(queue)]) if (shared.has(key)) add(key, {});
  return [...limits.values()];
}

const lacksKey = (path: string, key: string): OpspawnError =>
  new OpspawnError('invalid_argument', `${path} needs a ${key}`, { details: { path } });
