import type { DatabaseSync } from 'node:sqlite';
import { type QueueState, queueState } from '../../../domain/task-state.ts';
import type { InboxItem, StoredWait } from '../../store.ts';
import type { Turn } from '../../turn.ts';
import { prepare } from '../database/statement.ts';
import type { Transitions } from '../scheduling/transitions.ts';
import type { Inbox } from './inbox.ts';

/** The kinds that are heard without a wait for them. */
const controlKinds: readonly InboxItem['kind'][] = ['cancel', 'pause', 'resume', 'reopen'];
export const isControl = (kind: InboxItem['kind']): boolean => controlKinds.includes(kind);

/** Whether an item with this key wakes the wait; the same as `hasWait` below says of stored ones. */
export const isWokenBy = (wait: StoredWait, key: string): boolean =>
  wait.key === key || (wait.kind === 'doubt' && key === `evidence:${wait.hash}`);

interface Addressee {
  readonly taskId: string;
  readonly namespace: string;
  readonly state: QueueState;
  readonly attempt: number;
}

export interface DeliveryParts {
  inbox: Inbox;
  transitions: Transitions;
  /** Ends a task that no attempt has begun. */
  cancelUnbegun: (turn: Turn, taskId: string, itemId: string) => void;
}

/** Brings items to unfinished tasks and moves those that nobody runs. An owner hears of its items by itself. */
export function prepareDelivery(database: DatabaseSync, parts: DeliveryParts) {
  const { inbox } = parts;
  const stateOf = prepare<[string], [QueueState, namespace: string, attempt: number]>(
    database,
    'select state, namespace, attempt from queue where task_id = ?1',
  );
  const move = prepareMove(database, parts);
  const openRequest = prepare<[string, string, number], [number]>(
    database,
    `select 1 from waits w where w.task_id = ?1 and w.key = ?2 and coalesce(w.due_at >= ?3, true) and not exists (
       select 1 from inbox i where i.task_id = ?1 and i.key = ?2 and i.kind = 'decision' and i.taken_at is null)`,
  );

  const find = (taskId: string): Addressee | undefined => {
    const row = stateOf.get(taskId);
    return row === undefined ? undefined : { taskId, state: row[0], namespace: row[1], attempt: row[2] };
  };

  return {
    /**
     * Whether the task waits for a decision under this key, and has none. One that comes after the wait was due does not end
     * it: whoever decides has to hear of that, also while nobody has looked at the task since.
     */
    asks: ({ at }: Turn, taskId: string, key: string): boolean =>
      openRequest.get(taskId, key, at) !== undefined,
    /** `false`: no unfinished task of this namespace has this id. */
    post(turn: Turn, namespace: string, taskId: string, item: InboxItem): boolean {
      const task = find(taskId);
      if (task?.namespace !== namespace) return false;
      if (inbox.put(turn, taskId, item) && task.state !== queueState.running) move(turn, task, item);
      return true;
    },
    /** For a task that lost its owner: does what control items ask that the owner did not take. */
    heed(turn: Turn, taskId: string): void {
      for (const [id, kind, key] of inbox.openItems(taskId)) {
        const task = isControl(kind) ? find(taskId) : undefined;
        if (task !== undefined) move(turn, task, { id, kind, key });
      }
    },
  };
}

export type Delivery = ReturnType<typeof prepareDelivery>;

/** Moves a task without an owner as the item asks. */
function prepareMove(database: DatabaseSync, { inbox, transitions, cancelUnbegun }: DeliveryParts) {
  const hasWait = prepare<[string, string], [number]>(
    database,
    `select 1 from waits
     where task_id = ?1 and (key = ?2 or (kind = 'doubt' and 'evidence:' || hash = ?2)) limit 1`,
  );
  const notBefore = prepare<[string, string], [number | null]>(
    database,
    'select due_at from tasks where namespace = ?1 and id = ?2',
  );

  return (turn: Turn, { taskId, namespace, state, attempt }: Addressee, item: InboxItem): void => {
    const isWaiting = state === queueState.waiting;
    switch (item.kind) {
      case 'pause':
        if (state !== queueState.paused) transitions.paused(turn, taskId, 'operator');
        inbox.take(turn, taskId, [item.id]);
        break;
      case 'cancel':
        // What has begun may have something to clean up: its attempt writes the end, and waits for nobody.
        if (attempt === 0) cancelUnbegun(turn, taskId, item.id);
        else if (state !== queueState.ending) transitions.ready(turn, taskId, turn.at, true);
        break;
      case 'reopen':
        if (state !== queueState.ready && state !== queueState.ending)
          transitions.ready(turn, taskId, turn.at);
        break;
      case 'resume':
        if (state === queueState.paused)
          transitions.resumed(turn, taskId, notBefore.get(namespace, taskId)?.[0] ?? turn.at);
        else if (isWaiting || state === queueState.later) transitions.ready(turn, taskId, turn.at);
        break;
      case 'signal':
      case 'decision':
      case 'child':
      case 'evidence':
        if (isWaiting && hasWait.get(taskId, item.key) !== undefined)
          transitions.ready(turn, taskId, turn.at);
        break;
      default:
        item.kind satisfies never;
    }
  };
}
