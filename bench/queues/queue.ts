import type { ServiceName } from '../../scripts/services/kinds.ts';

/** A queue as W1 uses it: what is measured, a floor, or a peer. */
export interface Queue extends AsyncDisposable {
  /** Resolves when the task is durable. */
  submit(payload: string): Promise<unknown>;
  /** Runs tasks that do nothing, until it is disposed. Tells how many more are recorded as done. */
  work(onDone: (count: number) => void): AsyncDisposable;
}

export interface QueueAdapter {
  /** The server that it needs; absent for what keeps a file. */
  readonly service?: ServiceName;
  /** `place`: a file that does not exist yet, or the URL of an empty database. */
  open(place: string): Promise<Queue>;
}
