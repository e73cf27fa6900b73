import type { DatabaseSync } from 'node:sqlite';
import { queueState } from '../../../domain/task-state.ts';
import type { AppendWrite, Effects, OwnedResult, Owner } from '../../store.ts';
import type { Turn } from '../../turn.ts';
import { prepare } from '../database/statement.ts';
import type { Delivery } from './delivery.ts';
import type { Inbox } from './inbox.ts';
import type { JournalWriter } from './journal.ts';
import type { Operation } from './store-access.ts';
import type { Submit } from './submit.ts';

export const lost: OwnedResult = { ok: false, reason: 'lost' };

/** The namespace of a task that the owner holds; undefined when it does not hold it. */
export type FindOwned = (owner: Owner) => string | undefined;

export function prepareFindOwned(database: DatabaseSync): FindOwned {
  const find = prepare<[string, number, string], [namespace: string]>(
    database,
    `select namespace from queue
     where task_id = ?1 and attempt = ?2 and worker_id = ?3 and state = ${queueState.running}`,
  );
  return ({ taskId, attempt, workerId }) => find.get(taskId, attempt, workerId)?.[0];
}

/** What an owner's write does beside its entries. */
export type ApplyEffects = (turn: Turn, taskId: string, namespace: string, effects: Effects) => void;

export function prepareEffects(parts: { inbox: Inbox; delivery: Delivery; submit: Submit }): ApplyEffects {
  const { inbox, delivery, submit } = parts;
  return (turn, taskId, namespace, { takes, children, posts }) => {
    if (takes !== undefined) inbox.take(turn, taskId, takes);
    if (children !== undefined) for (const child of children) submit(turn, child);
    if (posts !== undefined) for (const post of posts) delivery.post(turn, namespace, post.taskId, post.item);
  };
}

export function prepareAppend(parts: {
  findOwned: FindOwned;
  journal: JournalWriter;
  effects: ApplyEffects;
}): Operation<AppendWrite, OwnedResult> {
  const { findOwned, journal, effects } = parts;
  return (turn, write) => {
    const { owner, entries } = write;
    const namespace = findOwned(owner);
    if (namespace === undefined) return journal.earlier(owner, entries) ?? lost;
    const earlier = journal.write(turn, owner, entries);
    if (earlier !== undefined) return earlier;
    effects(turn, owner.taskId, namespace, write);
    turn.changed.push(owner.taskId);
    return turn.written;
  };
}
