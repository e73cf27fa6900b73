/** A queue as W1 uses it: what is measured, a floor, or a peer. */
export interface Queue extends AsyncDisposable {
  /** Resolves when the task is durable. */
  submit(payload: string): Promise<unknown>;
  /** Runs tasks that do nothing, until it is disposed. Tells how many more are recorded as done. */
  work(onDone: (count: number) => void): AsyncDisposable;
}

export interface QueueAdapter {
  /** `path`: a file that does not exist yet. */
  open(path: string): Promise<Queue>;
}
