import type { Json, OpspawnError } from '@opspawn/agentkit';
import type {
  CreateTask,
  DecideMcpTools,
  Definition,
  Entry,
  Failure,
  Limit,
  McpTool,
  NamespaceSettings,
  Queue,
  Readiness,
  Resolution,
  Task,
  TaskKind,
  TaskStatus,
  UpdateQueue,
  Why,
} from '@opspawn/sdk';
import type { Principal } from '../auth/principal.ts';
import type { McpToolQuery } from '../mcp/tool-decisions.ts';
import type { LimitSetting } from '../storage/parts/flow-control.ts';
import type { Providers } from './providers.ts';
import type { Sessions } from './sessions.ts';

/** What one request of a batch came to. `error` leaves the others as they are only after all were found valid. */
export type SubmitOutcome =
  | { outcome: 'created' | 'existing'; taskId: string }
  | { outcome: 'failed'; error: OpspawnError };

/** All that is given must match. */
export interface TaskSelection {
  status?: readonly TaskStatus[];
  kind?: TaskKind;
  name?: string;
  queue?: string;
  sessionId?: string;
  parentId?: string;
  /** Of failed tasks: the code of their error. */
  errorCode?: string;
  /** Unix ms, exclusive. */
  createdAfter?: number;
  /** Unix ms, exclusive. */
  createdBefore?: number;
}

export interface TaskQuery extends TaskSelection {
  /** 1 to 1,000. */
  limit: number;
  /** Opaque, from `nextCursor` of the page before. A broken one is `invalid_argument`. */
  cursor?: string;
}

export type BulkAction = 'cancel' | 'pause' | 'resume' | 'retry';

export interface BulkRequest {
  filter: TaskSelection;
  /** Only counts. */
  dryRun?: boolean;
  /** Of the count, or of the call before. */
  token?: string;
  /** Of a cancel. */
  reason?: string;
}

export interface BulkResult {
  /** How many matched when they were counted. */
  matched: number;
  /** Told so far. */
  done: number;
  /** In another state by then. */
  skipped: number;
  /** For the next call; absent when there is nothing left to do. */
  token?: string;
}

export interface FailureQuery {
  kind?: TaskKind;
  name?: string;
  errorCode?: string;
  limit: number;
}

/** A person's answer to an approval (`approved`) or a question (`answer`, or not `approved`: declined). */
export interface DecisionRequest {
  approved: boolean;
  comment?: string;
  answer?: Json;
}

export interface SignalRequest {
  name: string;
  data?: Json;
  /** UUID version 7; the same id again is the same signal. Default: a new one. */
  id?: string;
}

/** What `follow` gives: recorded entries, live events between them, and the task when its status changed. */
export type Followed =
  | { type: 'entry'; entry: Entry }
  | { type: 'live'; event: unknown }
  | { type: 'status'; task: Task };

/**
 * All that can be asked of Opspawn, for every door alike. Each call checks the principal's namespace: a task of
 * another namespace is `not_found`. Throws OpspawnError only.
 */
export interface Engine {
  /**
   * Answers after the commit. `created` is false when the idempotency key was used before with the same request.
   * Throws `invalid_argument` (`details.path` is a JSON Pointer into the request, `/name` for an unknown definition)
   * `idempotency_conflict` (the key was used with another request), and `quota_exceeded`.
   */
  submit(principal: Principal, request: CreateTask): Promise<{ task: Task; created: boolean }>;
  /**
   * In one transaction, answered in order. All requests are validated before anything is written: one invalid request
   * throws `invalid_argument` (`details.path` starts with its index) and nothing is written. A conflict of an
   * idempotency key fails that request alone.
   */
  submitMany(principal: Principal, requests: readonly CreateTask[]): Promise<readonly SubmitOutcome[]>;
  /** Throws `not_found`. The only view with `usage`. */
  get(principal: Principal, taskId: string): Promise<Task>;
  /** What holds the task back. Throws `not_found`. */
  why(principal: Principal, taskId: string): Promise<Why>;
  /** The keys that an operator has set. */
  limits(principal: Principal): Promise<Limit[]>;
  limit(principal: Principal, key: string): Promise<Limit>;
  setLimit(principal: Principal, setting: LimitSetting): Promise<Limit>;
  /** Throws `not_found` for a key that is not set. */
  deleteLimit(principal: Principal, key: string): Promise<void>;
  queues(principal: Principal): Promise<Queue[]>;
  queue(principal: Principal, name: string): Promise<Queue>;
  /** Throws `invalid_argument` for a reason without a pause. */
  updateQueue(principal: Principal, name: string, update: UpdateQueue): Promise<Queue>;
  /** Newest first. */
  list(principal: Principal, query: TaskQuery): Promise<{ items: Task[]; nextCursor?: string }>;
  /** Asks for the end; the owning attempt writes it. A cancelled task is given again; other ends: `wrong_state`. */
  cancel(principal: Principal, taskId: string, options: { reason?: string }): Promise<Task>;
  /** Makes a failed task pending again. Others: `wrong_state`. */
  retry(principal: Principal, taskId: string): Promise<Task>;
  /** Stops the task until `resume`. Finished: `wrong_state`; paused already: the task. */
  pause(principal: Principal, taskId: string): Promise<Task>;
  /** Throws `wrong_state` when the task is not paused. */
  resume(principal: Principal, taskId: string): Promise<Task>;
  /**
   * The same action on every task that matches: first the count (`dryRun`), which gives a token, then calls with the
   * token of the answer before, until there is none. See `bulk.ts` for what holds.
   */
  bulk(principal: Principal, action: BulkAction, request: BulkRequest): Promise<BulkResult>;
  /** Failed tasks by code, kind and name, the largest groups first. */
  failures(principal: Principal, query: FailureQuery): Promise<Failure[]>;
  /** Kept until a wait takes it. Finished: `wrong_state`. */
  signal(principal: Principal, taskId: string, signal: SignalRequest): Promise<void>;
  /**
   * A word on an effect in doubt. `not_found` when the task never had a doubt about that step, `already_decided` when there
   * was another word before, `wrong_state` and `unavailable` as with `decide`.
   */
  resolve(principal: Principal, taskId: string, step: string, resolution: Resolution): Promise<Task>;
  /**
   * A person's word on an approval or question. `not_found` when there was none for that step, `wrong_state` when it expired or was
   * withdrawn, `unavailable` while it is open and the task does something else. The first one counts: the same
   * again by the same person gives the task, another one is `already_decided`. `invalid_argument` for an answer that does not
   * fit the question's schema.
   */
  decide(principal: Principal, taskId: string, step: string, decision: DecisionRequest): Promise<Task>;
  /** Entries with seq > `after`, in order, at most `limit` (1 to 1,000). `nextAfter` is there when more may follow. */
  journal(
    principal: Principal,
    taskId: string,
    page: { after: number; limit: number },
  ): Promise<{ items: Entry[]; nextAfter?: number }>;
  /**
   * Every entry with seq > `after`, once and in order, first those recorded and then each new one; between them live
   * events of the running attempt, and `status` when it changed. Ends after the terminal entry of a finished task, or
   * when `signal` fires. Throws `not_found`.
   */
  follow(
    principal: Principal,
    taskId: string,
    options: { after: number; signal: AbortSignal },
  ): AsyncIterable<Followed>;
  /** Budgets of model providers; see `Providers`. */
  readonly providers: Pick<Providers, 'list' | 'set' | 'remove'>;
  /** Sessions, and what agents have cost; see `Sessions`. */
  readonly sessions: Pick<Sessions, 'spending' | 'get' | 'remove'>;
  definitions(principal: Principal): Promise<Definition[]>;
  /** What a namespace keeps and is allowed: the principal's, or for an operator any. */
  settings(principal: Principal, namespace?: string): Promise<NamespaceSettings>;
  /** Puts these in the place of all earlier ones. Throws `permission_denied` for who is no operator. */
  setSettings(
    principal: Principal,
    settings: NamespaceSettings,
    namespace?: string,
  ): Promise<NamespaceSettings>;
  /** Definitions of MCP servers' tools that workers have seen. */
  mcpTools(principal: Principal, query: McpToolQuery): Promise<McpTool[]>;
  /** Throws `wrong_state` when several definitions of one tool could be meant. */
  decideMcpTools(principal: Principal, decision: DecideMcpTools): Promise<McpTool[]>;
  /** Throws `unavailable` when the store cannot be reached. */
  ready(): Promise<Readiness>;
}
