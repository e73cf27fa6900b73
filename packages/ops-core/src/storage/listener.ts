/** After each commit of this process, if nothing else is said. Called synchronously; must not throw. */
export interface StoreListener {
  /** Queues in which tasks became ready. */
  ready(queues: ReadonlySet<string>): void;
  /** Tasks whose journal, inbox or status changed; a task may come more than once. */
  changed(taskIds: Iterable<string>): void;
  /** Those of them whose inbox got an item: by a post, the end of a child, the end of a parent. */
  posted(taskIds: ReadonlySet<string>): void;
  /** Before the commit that brings a task into this queue: a claim that is asked for at once is part of it. */
  submitting?(queue: string): void;
  /** The earliest time, Unix ms, at which something that was put off comes due: call `promoteDue` then. */
  due?(at: number): void;
}
