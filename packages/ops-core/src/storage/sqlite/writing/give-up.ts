import type { DatabaseSync } from 'node:sqlite';
import type {
  Effects,
  NewEntry,
  OwnedResult,
  Owner,
  PauseWrite,
  ReleaseWrite,
  StoredWait,
  SuspendResult,
  SuspendWrite,
} from '../../store.ts';
import type { Turn } from '../../turn.ts';
import { prepare } from '../database/statement.ts';
import type { Transitions } from '../scheduling/transitions.ts';
import { type ApplyEffects, type FindOwned, lost } from './append.ts';
import { type Delivery, isControl, isWokenBy } from './delivery.ts';
import type { Inbox } from './inbox.ts';
import type { JournalWriter } from './journal.ts';
import type { Operation } from './store-access.ts';

export interface GiveUpParts {
  findOwned: FindOwned;
  journal: JournalWriter;
  effects: ApplyEffects;
  inbox: Inbox;
  delivery: Delivery;
  transitions: Transitions;
}

type GiveUpWrite = Effects & { owner: Owner; entries: readonly NewEntry[] };

/** Writes the entries and their effects, moves the task by `move`, and heeds what the owner left in the inbox. */
function giveUp(parts: GiveUpParts, turn: Turn, write: GiveUpWrite, move: () => void): OwnedResult {
  const { owner, entries } = write;
  const namespace = parts.findOwned(owner);
  if (namespace === undefined) return parts.journal.earlier(owner, entries) ?? lost;
  parts.journal.write(turn, owner, entries);
  parts.effects(turn, owner.taskId, namespace, write);
  move();
  parts.delivery.heed(turn, owner.taskId);
  return turn.written;
}

export function prepareSuspend(
  database: DatabaseSync,
  parts: GiveUpParts,
): Operation<SuspendWrite, SuspendResult> {
  const { findOwned, inbox, transitions } = parts;
  const openWaits = prepareOpenWaits(database);

  /** Whether the inbox holds what ends one of the waits, or a control item. */
  const isAwakened = ({ owner, waits, takes }: SuspendWrite): boolean =>
    inbox
      .openItems(owner.taskId)
      .some(
        ([id, kind, key]) =>
          !takes?.includes(id) && (isControl(kind) || waits.some((wait) => isWokenBy(wait, key))),
      );

  return (turn, write) => {
    const { taskId } = write.owner;
    if (findOwned(write.owner) !== undefined && isAwakened(write)) return { ok: false, reason: 'awakened' };
    return giveUp(parts, turn, write, () => {
      const dueAt = Math.min(...write.waits.map((wait) => wait.dueAt ?? Number.POSITIVE_INFINITY));
      if (dueAt <= turn.at) return transitions.ready(turn, taskId, dueAt);
      openWaits(taskId, write.waits);
      transitions.waiting(turn, taskId, Number.isFinite(dueAt) ? dueAt : null);
    });
  };
}

export function prepareRelease(
  database: DatabaseSync,
  parts: GiveUpParts,
): Operation<ReleaseWrite, OwnedResult> {
  const setFailures = prepare<[string, number]>(
    database,
    'update queue set failures = ?2 where task_id = ?1',
  );
  return (turn, write) =>
    giveUp(parts, turn, write, () => {
      const { taskId } = write.owner;
      setFailures.get(taskId, write.failures);
      parts.transitions.pending(turn, taskId, turn.at + write.delayMs);
    });
}

export const preparePause =
  (parts: GiveUpParts): Operation<PauseWrite, OwnedResult> =>
  (turn, write) =>
    giveUp(parts, turn, write, () => parts.transitions.paused(turn, write.owner.taskId, write.reason));

function prepareOpenWaits(database: DatabaseSync) {
  const insert = prepare<
    [string, number, string, string, string, string, string | null, number | null, string | null]
  >(
    database,
    `insert into waits (task_id, position, step, hash, kind, name, key, due_at, data)
     values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)`,
  );
  return (taskId: string, waits: readonly StoredWait[]): void => {
    for (const [position, wait] of waits.entries()) {
      const { step, hash, kind, name, key, dueAt, data } = wait;
      insert.get(taskId, position, step, hash, kind, name, key ?? null, dueAt ?? null, data ?? null);
    }
  };
}
