/**
 * The store: tasks, their queue, journal, inbox and outcome. One interface, one list of contract cases, several
 * engines. Hot writes (`write`) of a process are collected while a commit is in flight and committed as one
 * transaction; each caller is answered after the commit.
 *
 * Ownership: a write that names an `Owner` is refused (`ok: false`) unless that worker holds the task at that attempt
 * at the moment of the commit. Writes are idempotent by their own key, since the outcome of a COMMIT can be unknown:
 * the same submit, append, finish or post made again answers as the first did.
 */
import type { OpspawnError } from '@opspawn/agentkit';
import type { EntryType, TaskKind, TaskStatus } from '@opspawn/sdk';
import type { ClaimRequest } from './claim-request.ts';
import type { TaskLimit } from './parts/flow-control.ts';
import type { StoredMemories } from './parts/memories.ts';
import type { TaskSpending } from './parts/spending.ts';
import type { StoreParts } from './parts/store-parts.ts';

/** A worker's claim on a task. `attempt` is the fencing token; a `workerId` is never used again. */
export interface Owner {
  taskId: string;
  attempt: number;
  workerId: string;
}

export interface NewTask {
  /** UUID version 7. */
  id: string;
  namespace: string;
  kind: TaskKind;
  name: string;
  queue: string;
  /** 0 (most urgent) to 9. */
  priority: number;
  /** JSON text; absent for no input. */
  input?: string;
  /** JSON text: retry policy, time-outs, metadata, injectMcpProxy. Opaque to the store. */
  options?: string;
  /** Unix ms; not before. */
  dueAt?: number;
  /** Of the whole task, Unix ms: it fails when it has not ended by then. */
  deadlineAt?: number;
  /** In place of `deadlineAt`: so many ms after the task was accepted. */
  timeoutMs?: number;
  /** Upper bound of one attempt's time, in ms. Default: the claim's. */
  attemptTimeoutMs?: number;
  idempotencyKey?: string;
  /** Digest of the request; the same key with another digest is a conflict. */
  requestDigest?: string;
  /** Tasks of a session run one after the other, in commit order, and hold it until they end. */
  sessionId?: string;
  /** At most one for each key. A child never waits for a key that one of its ancestors names. */
  limits?: readonly TaskLimit[];
  parentId?: string;
  /** Inbox key under which the parent waits for the end of this child. */
  parentKey?: string;
}

/** An entry as its writer makes it. `seq` is assigned by the owner, which knows the last one; `at` by the store. */
export interface NewEntry {
  seq: number;
  type: EntryType;
  branch?: string;
  name?: string;
  count?: number;
  /** How many results had been handed out when this was asked for (replay needs it). */
  asked?: number;
  /** JSON text. Values over 64 KiB are moved to a blob row by the store, invisibly. */
  data?: string;
}

export interface EntryRow extends NewEntry {
  attempt: number;
  at: number;
}

/** What comes to a task from outside. */
export interface InboxItem {
  /** UUID version 7, made by the poster; posting it twice is posting it once. */
  id: string;
  kind: 'signal' | 'decision' | 'child' | 'evidence' | 'cancel' | 'pause' | 'resume' | 'reopen';
  /**
   * What a wait matches it by: `signal:NAME`, `decision:HASH` and `evidence:HASH` (of the step's identity),
   * `child:TASKID`; empty for the control items cancel, pause, resume and reopen.
   */
  key: string;
  /** JSON text. */
  data?: string;
}

export interface InboxRow extends InboxItem {
  /** Unix ms, by the store's clock. */
  at: number;
}

/** A wait that a suspended task has open. */
export interface StoredWait {
  /** `branch`, `name` and `count` joined for people; what `resolve` takes. */
  step: string;
  /** Hash of [branch, name, count]: the identity itself. */
  hash: string;
  kind: 'sleep' | 'signal' | 'approval' | 'question' | 'child' | 'doubt';
  name: string;
  /** Inbox key that ends it; absent for a sleep. A doubt is also woken by `evidence:HASH`, which does not end it. */
  key?: string;
  dueAt?: number;
  /** JSON text for people: payload, prompt, intent. */
  data?: string;
}

/** What an owner's write may do beside its entries, in the same transaction. */
export interface Effects {
  /** Inbox rows that these entries consume. */
  takes?: readonly string[];
  /** Children to create. */
  children?: readonly NewTask[];
  /** Items for other tasks (cancel of a child in a losing branch). */
  posts?: readonly { taskId: string; item: InboxItem }[];
  /** What the task has used since its beginning: added to the sums with this write, or just before it. */
  spending?: TaskSpending;
}

export interface SubmitWrite {
  op: 'submit';
  task: NewTask;
}
export interface AppendWrite extends Effects {
  op: 'append';
  owner: Owner;
  entries: readonly NewEntry[];
}
/**
 * The terminal transition; `entries` ends with the task.completed/failed/cancelled entry. One that failed counts as a
 * failure of the task. In the same transaction: the
 * queue row goes, the outcome is inserted, the parent's inbox gets a `child` item, unfinished children get a cancel,
 * the next task of the session is made ready.
 */
export interface FinishWrite extends Effects {
  op: 'finish';
  owner: Owner;
  status: Extract<TaskStatus, 'completed' | 'failed' | 'cancelled'>;
  entries: readonly NewEntry[];
}
/**
 * Gives the task up until something happens. Refused as `awakened` (and nothing changes, entries are not written) if
 * the inbox holds an item that matches an open wait, or a control item.
 */
export interface SuspendWrite extends Effects {
  op: 'suspend';
  owner: Owner;
  entries: readonly NewEntry[];
  waits: readonly StoredWait[];
}
/** Gives the task back: at once (shutdown) or due later (retry). `failures` is the new count. */
export interface ReleaseWrite extends Effects {
  op: 'release';
  owner: Owner;
  entries: readonly NewEntry[];
  failures: number;
  /** Delay from now; 0 makes it ready at once. */
  delayMs: number;
}
export interface PauseWrite extends Effects {
  op: 'pause';
  owner: Owner;
  entries: readonly NewEntry[];
  reason: string;
}
/**
 * Something from outside. Makes a waiting task ready when one of its open waits has this key. Control items: `cancel`
 * and `resume` also wake a pending (due later, held) or paused task, so that an attempt writes what follows; `pause` is taken by the owner,
 * and a task without one is paused at once. Refused for unknown (`not_found`) and finished (`wrong_state`) tasks. A decision
 * is `not_open` unless a stored wait has its key and no decision that is not taken yet: the first one counts.
 */
export interface PostWrite {
  op: 'post';
  namespace: string;
  taskId: string;
  item: InboxItem;
}
/**
 * Makes a failed task pending again: the outcome goes, failures is 0, the inbox gets a `reopen` item. One with a deadline has
 * as much time again.
 */
export interface ReopenWrite {
  op: 'reopen';
  namespace: string;
  taskId: string;
  itemId: string;
}

export type Write =
  | SubmitWrite
  | AppendWrite
  | FinishWrite
  | SuspendWrite
  | ReleaseWrite
  | PauseWrite
  | PostWrite
  | ReopenWrite;

export interface SubmitResult {
  taskId: string;
  /** `existing`: the idempotency key was used before with the same request; `conflict`: with another. */
  outcome: 'created' | 'existing' | 'conflict';
  /** Unix ms; of the task that `taskId` names. */
  createdAt: number;
}
/** `lost`: the owner does not hold the task. */
export type OwnedResult = { ok: true; at: number } | { ok: false; reason: 'lost' };
export type SuspendResult = OwnedResult | { ok: false; reason: 'awakened' };
export type OutsideResult =
  | { ok: true }
  | { ok: false; reason: 'not_found' | 'wrong_state' | 'not_open'; status?: TaskStatus };

export interface WriteResults {
  submit: SubmitResult;
  append: OwnedResult;
  finish: OwnedResult;
  suspend: SuspendResult;
  release: OwnedResult;
  pause: OwnedResult;
  post: OutsideResult;
  reopen: OutsideResult;
}

export interface ClaimedTask extends Owner {
  namespace: string;
  kind: TaskKind;
  name: string;
  queue: string;
  input?: string;
  options?: string;
  sessionId?: string;
  parentId?: string;
  /** Failures so far; only this is compared with the retry policy. */
  failures: number;
  /** Last seq of the journal; 0 when it is empty. */
  lastSeq: number;
  /** Whether items that are not taken yet lie in the inbox. */
  hasInbox: boolean;
  /** Unix ms. */
  createdAt: number;
  /** Store's time of the claim, Unix ms. */
  claimedAt: number;
  /** Unix ms. An attempt that lasts longer is taken over by the sweep. */
  deadlineAt: number;
  /** Unix ms: of the whole task. */
  taskDeadlineAt?: number;
  /**
   * Where a store answers before the claim, and what it claims, is safe from a power failure: resolves when it is, or with
   * why it will not be. Until then nothing that changes something outside may be begun.
   */
  onDisk?: Promise<OpspawnError | undefined>;
}

/** A task with all that lists and details show. */
export interface TaskRow {
  id: string;
  namespace: string;
  kind: TaskKind;
  name: string;
  status: TaskStatus;
  queue: string;
  priority: number;
  attempt: number;
  failures: number;
  input?: string;
  options?: string;
  waits: readonly StoredWait[];
  pausedReason?: string;
  sessionId?: string;
  limits: readonly TaskLimit[];
  parentId?: string;
  idempotencyKey?: string;
  lastSeq: number;
  /** The terminal entry's data, JSON text. */
  outcome?: string;
  createdAt: number;
  dueAt?: number;
  /** Unix ms: it fails when it has not ended by then. */
  deadlineAt?: number;
  finishedAt?: number;
}

export interface TaskFilter {
  namespace: string;
  status?: readonly TaskStatus[];
  kind?: TaskKind;
  name?: string;
  queue?: string;
  sessionId?: string;
  parentId?: string;
  /** Only failed tasks have one. */
  errorCode?: string;
  /** Unix ms. */
  createdAfter?: number;
  createdBefore?: number;
}

/** Newest first, unless told otherwise. `before` (or `after`) is the id of the last row of the page before. */
export interface TaskPage {
  limit: number;
  before?: string;
  after?: string;
  oldestFirst?: boolean;
}

export interface WorkerInfo {
  id: string;
  host: string;
  pid: number;
  /** Of the process, so that a reused pid is told apart. */
  processStart: string;
  queues: readonly string[];
  /** `KIND NAME` of each definition that it can run. Default: none. */
  definitions?: readonly string[];
}

/**
 * A worker of this process would begin a task that is being submitted. It then need not be put into a queue, looked for
 * and taken out of it: it is created as claimed, where nothing is against it.
 */
export interface Offer {
  readonly workerId: string;
  /** Default for the attempt, in ms. */
  readonly attemptTimeoutMs: number;
  /** The task was created, and the worker has it. */
  begin(task: ClaimedTask): void;
  /** Always called, last. `isUnclear`: if it was not told to begin, it may have the task all the same: see `giveBackOthers`. */
  end(isUnclear: boolean): void;
}

/** After each commit of this process, if nothing else is said. Called synchronously; must not throw. */
export interface StoreListener {
  /** Queues in which tasks became ready. */
  ready(queues: ReadonlySet<string>): void;
  /** Tasks whose journal, inbox or status changed; a task may come more than once. */
  changed(taskIds: Iterable<string>): void;
  /** Those of them whose inbox got an item: by a post, the end of a child, the end of a parent. */
  posted(taskIds: ReadonlySet<string>): void;
  /** Before a task is written that could run at once. */
  offer?(task: NewTask): Offer | undefined;
  /** The earliest time, Unix ms, at which something that was put off comes due: call `promoteDue` then. */
  due?(at: number): void;
}

export interface Store extends StoreParts, AsyncDisposable {
  /** What agents remember for longer than a run. */
  readonly memories: StoredMemories;
  listen(listener: StoreListener): void;
  /** Answered after the commit. Throws `unavailable` when the database cannot be reached, `payload_too_large`, … */
  write<W extends Write>(write: W): Promise<WriteResults[W['op']]>;
  /** Many submits in one call and one transaction. */
  submitMany(tasks: readonly NewTask[]): Promise<readonly SubmitResult[]>;
  /**
   * Ready tasks of these queues in fair order; fewer than the limit when there are no more. Sorted by priority, then due
   * time, then id. Raises `attempt`.
   */
  claim(request: ClaimRequest): Promise<readonly ClaimedTask[]>;
  /**
   * Makes what is due ready, and ends what nobody runs and whose deadline has passed, at most `limit` of each. Gives the next
   * time (Unix ms) of either, if any.
   */
  promoteDue(limit: number): Promise<number | undefined>;

  task(namespace: string, taskId: string): Promise<TaskRow | undefined>;
  tasks(filter: TaskFilter, page: TaskPage): Promise<readonly TaskRow[]>;
  /** Those of `tasks`, without what they hold. */
  taskIds(filter: TaskFilter, page: TaskPage): Promise<readonly string[]>;
  /** Entries with seq > after, in order, at most `limit`. */
  journal(taskId: string, after: number, limit: number): Promise<readonly EntryRow[]>;
  /** Items that are not taken yet, oldest first. */
  inbox(taskId: string): Promise<readonly InboxRow[]>;

  registerWorker(worker: WorkerInfo, leaseTtlMs: number): Promise<void>;
  /** Whether the worker still had its lease. */
  renewLease(workerId: string, leaseTtlMs: number): Promise<boolean>;
  /** Gives the worker's lease up; what it still holds is made ready. */
  removeWorker(workerId: string): Promise<void>;
  /** Makes ready what it holds beside these: the answer to a claim was lost. How many. Not during a claim of its. */
  giveBackOthers(workerId: string, held: readonly Omit<Owner, 'workerId'>[]): Promise<number>;
  /** Makes ready what dead or expired workers hold, and attempts beyond their deadline; at most `limit`. How many. */
  sweep(limit: number): Promise<number>;
  /** Throws `unavailable` where writes are refused: the database is away, its data was moved to another, or its disk is full. */
  checkWritable(): Promise<void>;
  /** Unix ms by the store's clock; never goes back. */
  now(): Promise<number>;
}
