import assert from 'node:assert/strict';
import { newId } from '../../domain/new-id.ts';
import { readProcessStart } from '../../host.ts';
import type { ClaimRequest } from '../claim-request.ts';
import type {
  ClaimedTask,
  InboxItem,
  NewEntry,
  NewTask,
  Owner,
  Store,
  StoredWait,
  StoreListener,
  SubmitResult,
  TaskRow,
} from '../store.ts';

/** A store of its own for one case, with clocks that the case moves. */
export interface StoreUnderTest extends AsyncDisposable {
  readonly store: Store;
  /** Moves the wall clock and the clock of leases forward. */
  advance(ms: number): void | Promise<void>;
}

export interface StoreCase {
  readonly promise: string;
  run(subject: StoreUnderTest): Promise<void>;
}

export const namespace = 'default';
export const queue = 'default';
export const leaseTtlMs = 15_000;
export const attemptTimeoutMs = 3_600_000;

export const newTask = (changes: Partial<NewTask> = {}): NewTask => ({
  id: newId(),
  namespace,
  kind: 'function',
  name: 'noop',
  queue,
  priority: 5,
  ...changes,
});

export async function submit(store: Store, changes: Partial<NewTask> = {}): Promise<string> {
  const result: SubmitResult = await store.write({ op: 'submit', task: newTask(changes) });
  assert.equal(result.outcome, 'created');
  return result.taskId;
}

export async function newWorker(store: Store, ttlMs = leaseTtlMs): Promise<string> {
  const id = newId();
  const { pid } = process;
  const processStart = readProcessStart(pid) ?? '';
  await store.registerWorker({ id, host: 'host', pid, processStart, queues: [queue] }, ttlMs);
  return id;
}

export function claim(
  store: Store,
  workerId: string,
  asked: Partial<Pick<ClaimRequest, 'limit' | 'queues' | 'definitions'>> = {},
): Promise<readonly ClaimedTask[]> {
  return store.claim({ workerId, queues: [queue], limit: 100, attemptTimeoutMs, ...asked });
}

/** Claims all that is ready, by a worker of its own, and expects it to be this one task. */
export async function claimOnly(store: Store, taskId: string): Promise<ClaimedTask> {
  const claimed = await claim(store, await newWorker(store));
  assert.deepEqual(
    claimed.map((task) => task.taskId),
    [taskId],
  );
  return claimed[0] as ClaimedTask;
}

export async function submitAndClaim(store: Store, changes: Partial<NewTask> = {}): Promise<ClaimedTask> {
  return await claimOnly(store, await submit(store, changes));
}

export async function readyIds(store: Store): Promise<string[]> {
  const claimed = await claim(store, await newWorker(store));
  return claimed.map((task) => task.taskId);
}

export const entry = (seq: number, changes: Partial<NewEntry> = {}): NewEntry => ({
  seq,
  type: 'step.completed',
  ...changes,
});

export type Ending = 'completed' | 'failed' | 'cancelled';

export const finish = (store: Store, owner: Owner, status: Ending = 'completed', seq = 1, data = '{}') =>
  store.write({ op: 'finish', owner, status, entries: [entry(seq, { type: `task.${status}`, data })] });

export const release = (store: Store, owner: Owner, delayMs: number, entries: readonly NewEntry[] = []) =>
  store.write({ op: 'release', owner, entries, failures: 0, delayMs });

export const wait = (changes: Partial<StoredWait> = {}): StoredWait => ({
  step: 'wait',
  hash: 'hash',
  kind: 'signal',
  name: 'wait',
  ...changes,
});

export const suspend = (
  store: Store,
  owner: Owner,
  waits: readonly StoredWait[],
  takes: readonly string[] = [],
) => store.write({ op: 'suspend', owner, entries: [], waits, takes });

export const item = (kind: InboxItem['kind'], changes: Partial<InboxItem> = {}): InboxItem => ({
  id: newId(),
  kind,
  key: '',
  ...changes,
});

export const post = (store: Store, taskId: string, posted: InboxItem) =>
  store.write({ op: 'post', namespace, taskId, item: posted });

export async function task(store: Store, taskId: string): Promise<TaskRow> {
  const row = await store.task(namespace, taskId);
  assert.ok(row, `task ${taskId} is there`);
  return row;
}

export const status = async (store: Store, taskId: string) => (await task(store, taskId)).status;

export const lost = { ok: false, reason: 'lost' };

/** Offers to begin whatever is asked for, and notes what comes of it and what is heard. */
export function offering(store: Store, workerId: string) {
  const seen = {
    asked: 0,
    begun: [] as ClaimedTask[],
    ended: [] as boolean[],
    rung: 0,
    changed: [] as string[],
  };
  const offer: StoreListener['offer'] = () => {
    seen.asked += 1;
    return {
      workerId,
      attemptTimeoutMs,
      begin: (begun) => seen.begun.push(begun),
      end: (isUnclear) => seen.ended.push(isUnclear),
    };
  };
  const ready = () => {
    seen.rung += 1;
  };
  store.listen({ offer, ready, changed: (ids) => seen.changed.push(...ids), posted: () => {} });
  return seen;
}
