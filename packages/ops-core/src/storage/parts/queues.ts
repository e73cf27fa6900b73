/** Queues as an operator sees them: names by which tasks wait, each with a weight and a switch. By namespace, as all is. */

/** Nothing of the queue starts until it is resumed; what runs goes on. */
export interface QueuePause {
  /** Unix ms. */
  at: number;
  by: string;
  reason?: string;
}

export interface QueueChange {
  /** Its share of a worker's capacity beside the namespace's other queues; 1 where nobody said anything. */
  weight?: number;
  /** null: resumes it. A queue that is paused already keeps its first pause. */
  pause?: Omit<QueuePause, 'at'> | null;
}

/** A queue as it stands; counts go no further than `mostCounted`. */
export interface QueueState {
  name: string;
  weight: number;
  pause?: QueuePause;
  ready: number;
  running: number;
  /** For a signal, a person, a child or a time of their own. */
  waiting: number;
  /** Due later, behind their session or a limit, or paused one by one. */
  heldBack: number;
  /** Unix ms; since when the first of the ready ones has been due. */
  oldestReadyAt?: number;
}

export const mostCounted = 10_000;

export interface NamespaceWeights {
  namespace: string;
  /** JSON text; absent where none were set. */
  settings?: string;
  /** Those that are not 1. */
  queues: Readonly<Record<string, number>>;
}

export interface QueueStore {
  /** Those that somebody has said something about, that have unfinished tasks, or that live workers serve; by name. */
  queues(namespace: string): Promise<readonly QueueState[]>;
  /** Any name; one that nobody uses has nothing in it. */
  queue(namespace: string, name: string): Promise<QueueState>;
  /** From the answer on, no claim that begins or is under way takes a task of a paused queue. */
  changeQueue(namespace: string, name: string, change: QueueChange): Promise<void>;
  /** Of all namespaces of which something is said. */
  weights(): Promise<readonly NamespaceWeights[]>;
}

export const emptyQueue = (name: string): QueueState => ({
  name,
  weight: 1,
  ready: 0,
  running: 0,
  waiting: 0,
  heldBack: 0,
});
