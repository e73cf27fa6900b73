import type { EntryRow, Store, StoredWait } from '../storage/store.ts';
import { stepFailedSchema, waitOpenedSchema } from './durable/entry-data.ts';
import { identityHash, identityLabel } from './durable/identity.ts';

/** What the journal tells of a step that a person may be asked about. */
export interface JournaledRequest {
  /** Inbox key of its decisions. */
  key: string;
  /** Of its last wait; absent when it had none. */
  kind?: StoredWait['kind'];
  /** Unix ms. */
  dueAt?: number;
  /** Absent while it is open. */
  ended?: { byTime: boolean };
}

const journalPage = 1_000;

/** `step` is the label or the hash of its identity. Undefined when the journal does not name it. */
export async function journaledRequest(
  store: Store,
  taskId: string,
  step: string,
): Promise<JournaledRequest | undefined> {
  let request: JournaledRequest | undefined;
  for (let after = 0; ; ) {
    const page = await store.journal(taskId, after, journalPage);
    for (const row of page) {
      const key = keyOf(row, step);
      if (key !== undefined) request = changedBy(request ?? { key }, row);
    }
    const last = page.at(-1);
    if (last === undefined) return request;
    after = last.seq;
  }
}

function keyOf({ branch = '', name, count = 1 }: EntryRow, step: string): string | undefined {
  if (name === undefined) return undefined;
  const identity = { branch, name, count };
  const hash = identityHash(identity);
  return identityLabel(identity) === step || hash === step ? `decision:${hash}` : undefined;
}

function changedBy(request: JournaledRequest, { type, data = 'null' }: EntryRow): JournaledRequest {
  switch (type) {
    case 'wait.opened': {
      const { kind, dueAt } = waitOpenedSchema.parse(JSON.parse(data));
      return { key: request.key, kind, ...(dueAt === undefined ? {} : { dueAt }) };
    }
    case 'step.failed': {
      const { code } = stepFailedSchema.parse(JSON.parse(data)).error;
      return { ...request, ended: { byTime: code === 'timeout' } };
    }
    case 'step.completed':
    case 'doubt.resolved':
      return { ...request, ended: { byTime: false } };
    default:
      return request;
  }
}
