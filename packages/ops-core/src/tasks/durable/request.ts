import type { ChildRequest, StepContext, StepOptions, WaitRequest } from '@opspawn/agentkit';
import type { Branch } from './branch.ts';
import type { RecordKind } from './entry-data.ts';
import { childName, type Identity, identityHash, identityKey, waitName } from './identity.ts';
import type { EntryOwner } from './journal-writer.ts';
import type { RecordedCall } from './recording.ts';
import type { StepExecution } from './step-execution.ts';

export interface StepWork {
  type: 'step';
  name: string;
  fn: (step: StepContext) => unknown;
  options: StepOptions<unknown>;
  /** Runs code in the AsyncLocalStorage context of the caller. */
  inCallersContext: <T>(run: () => T) => T;
}

/** What a call asks for. */
export type Work =
  | StepWork
  | { type: 'wait'; request: WaitRequest }
  | { type: 'child'; request: ChildRequest };

export interface Settle {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** One call of a durable function in this attempt, from its asking until its result is handed out. */
export class Request implements EntryOwner {
  readonly identity: Identity;
  readonly key: string;
  readonly branch: Branch;
  /** How many results had been handed out when it was asked for. */
  readonly asked: number;
  readonly work: Work;
  readonly kind: RecordKind;
  readonly settle: Settle;
  /** What earlier attempts recorded about it. */
  recorded: RecordedCall | undefined;
  /** Nobody waits for it any more: its branch lost, or the task was cancelled. It is recorded all the same. */
  isDiscarded = false;
  /** It was set off by I/O of the function's own: in another attempt it may come in another order. */
  isOutOfTurn = false;
  execution: StepExecution | undefined;
  #hash: string | undefined;

  constructor(branch: Branch, work: Work, asked: number, settle: Settle) {
    const name = nameOf(work);
    const count = branch.nextCount(name);
    this.identity = { branch: branch.path, name, count };
    this.key = identityKey(branch.path, name, count);
    this.branch = branch;
    this.asked = asked;
    this.work = work;
    this.kind = kindOfWork(work);
    this.settle = settle;
  }

  get hash(): string {
    this.#hash ??= identityHash(this.identity);
    return this.#hash;
  }

  get isOnce(): boolean {
    return this.work.type === 'step' && this.work.options.effect === 'once';
  }

  get isRead(): boolean {
    return this.work.type === 'step' && this.work.options.effect === 'read';
  }
}

export function nameOf(work: Work): string {
  if (work.type === 'step') return work.name;
  return work.type === 'wait' ? waitName(work.request) : childName(work.request);
}

function kindOfWork(work: Work): RecordKind {
  if (work.type === 'step') return work.options.kind ?? 'step';
  return work.type === 'wait' ? work.request.kind : 'child';
}
