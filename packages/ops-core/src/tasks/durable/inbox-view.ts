import type { InboxRow } from '../../storage/store.ts';
import type { TaskPort } from './port.ts';

/** The inbox without what this attempt has taken already, be it committed or not. */
export class InboxView {
  readonly #port: TaskPort;
  readonly #taken = new Set<string>();

  constructor(port: TaskPort) {
    this.#port = port;
  }

  /** Oldest first. */
  rows(): readonly InboxRow[] {
    const rows = this.#port.inbox();
    if (rows.length === 0 || this.#taken.size === 0) return rows;
    return rows.filter((row) => !this.#taken.has(row.id));
  }

  /** The effect, for a journal entry, of taking these rows. */
  take(rows: readonly InboxRow[]): { takes: string[] } {
    const takes = rows.map((row) => row.id);
    for (const id of takes) this.#taken.add(id);
    return { takes };
  }

  /** The request for a pause that no later `resume` undoes. A request to cancel outdoes it. */
  pauseRequest(): InboxRow | undefined {
    let request: InboxRow | undefined;
    for (const row of this.rows()) {
      if (row.kind === 'cancel') return undefined;
      if (row.kind === 'pause') request = row;
      if (row.kind === 'resume') request = undefined;
    }
    return request;
  }
}
