import type { InboxRow, StoredWait } from '../../storage/store.ts';
import { askedName, identityLabel } from './identity.ts';
import type { Request } from './request.ts';

/** A wait that something from outside ends. */
export interface OpenWait {
  readonly request: Request;
  readonly kind: StoredWait['kind'];
  /** Inbox key that ends it; absent for a sleep. */
  readonly key?: string;
  /** Unix ms; absent when it waits for ever. */
  readonly dueAt?: number;
  readonly childTaskId?: string;
  /** Unix ms. */
  readonly startedAt: number;
  /** JSON text for people. */
  readonly data?: string;
}

/** What ends a wait: an inbox row, or, without one, its due time. */
export interface WaitEnd {
  wait: OpenWait;
  row?: InboxRow;
}

const peopleAnswer: Partial<Record<StoredWait['kind'], true>> = {
  approval: true,
  question: true,
  doubt: true,
};

/** The waits that are open now, in the order in which they were opened. */
export class OpenWaits {
  readonly #byRequest = new Map<Request, OpenWait>();
  readonly #byKey = new Map<string, Set<OpenWait>>();
  readonly #timed = new Set<OpenWait & { dueAt: number }>();

  get size(): number {
    return this.#byRequest.size;
  }

  /** Whether one of them is for a person's word. */
  get askSomebody(): boolean {
    return this.#byRequest.values().some(({ kind }) => kind in peopleAnswer);
  }

  add(wait: OpenWait): void {
    this.#byRequest.set(wait.request, wait);
    if (isTimed(wait)) this.#timed.add(wait);
    if (wait.key === undefined) return;
    const ofKey = this.#byKey.get(wait.key);
    if (ofKey === undefined) this.#byKey.set(wait.key, new Set([wait]));
    else ofKey.add(wait);
  }

  /** The wait that was open for the request, if any. */
  remove(request: Request): OpenWait | undefined {
    const wait = this.#byRequest.get(request);
    if (wait === undefined) return undefined;
    this.#byRequest.delete(request);
    if (isTimed(wait)) this.#timed.delete(wait);
    if (wait.key !== undefined) {
      const ofKey = this.#byKey.get(wait.key);
      ofKey?.delete(wait);
      if (ofKey?.size === 0) this.#byKey.delete(wait.key);
    }
    return wait;
  }

  clear(): void {
    this.#byRequest.clear();
    this.#byKey.clear();
    this.#timed.clear();
  }

  /** Unix ms of the next one that is due; undefined when none has a time. */
  nextDue(): number | undefined {
    return this.#earliest()?.dueAt;
  }

  /**
   * The wait that ends first, by the time of what ends it. A row that came after a wait was due does not end it; one
   * row ends one wait, the oldest of its key. `rows` are oldest first; the last one shows where the store's clock is
   * when it is ahead of `now`.
   */
  nextEnd(rows: readonly InboxRow[], now: number): WaitEnd | undefined {
    const answered = this.#firstAnswered(rows);
    const due = this.#earliest();
    const latest = Math.max(now, rows.at(-1)?.at ?? now);
    if (due === undefined || due.dueAt > latest) return answered;
    return answered?.row !== undefined && answered.row.at <= due.dueAt ? answered : { wait: due };
  }

  /** As the store keeps them while the task is suspended. */
  stored(): StoredWait[] {
    return [...this.#byRequest.values()].map(({ request, kind, key, dueAt, data }) => ({
      step: identityLabel(request.identity),
      hash: request.hash,
      kind,
      name: askedName(request.kind, request.identity.name),
      ...(key === undefined ? {} : { key }),
      ...(dueAt === undefined ? {} : { dueAt }),
      ...(data === undefined ? {} : { data }),
    }));
  }

  [Symbol.iterator](): Iterator<OpenWait> {
    return this.#byRequest.values();
  }

  #firstAnswered(rows: readonly InboxRow[]): WaitEnd | undefined {
    for (const row of rows) {
      for (const wait of this.#byKey.get(row.key) ?? []) {
        if (wait.dueAt === undefined || row.at <= wait.dueAt) return { wait, row };
      }
    }
    return undefined;
  }

  #earliest(): (OpenWait & { dueAt: number }) | undefined {
    let earliest: (OpenWait & { dueAt: number }) | undefined;
    for (const wait of this.#timed)
      if (earliest === undefined || wait.dueAt < earliest.dueAt) earliest = wait;
    return earliest;
  }
}

const isTimed = (wait: OpenWait): wait is OpenWait & { dueAt: number } => wait.dueAt !== undefined;
