import type { ServiceName } from '../../scripts/services/kinds.ts';

/** A queue as W1 uses it: what is measured, a floor, or a peer. */
export interface Queue extends AsyncDisposable {
  /** Resolves when the task is durable. */
  submit(payload: string): Promise<unknown>;
  /** Runs tasks that do nothing, until it is disposed. Tells how many more are recorded as done. */
  work(onDone: (count: number) => void): AsyncDisposable;
}

export interface QueueAdapter {
  /** The servers that it needs; absent for what keeps a file. */
  readonly services?: readonly ServiceName[];
  /** It comes from bench/package.json. */
  readonly isPeer?: true;
  /** `place`: the URL of an empty database with PostgreSQL, otherwise a file that does not exist yet. `urls`: of its other servers. */
  open(place: string, ...urls: string[]): Promise<Queue>;
}
