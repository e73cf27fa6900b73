import type { DatabaseSync } from 'node:sqlite';
import type { NewTask, SubmitResult, Write, WriteResults } from '../store.ts';
import type { Turn } from '../turn.ts';
import { prepareAddApiKey } from './api-keys.ts';
import { prepareAppend, prepareEffects, prepareFindOwned } from './append.ts';
import { prepareBlobs } from './blobs.ts';
import { prepareClaim } from './claim.ts';
import { prepareRegisterDefinitions } from './definitions.ts';
import { prepareDelivery } from './delivery.ts';
import { preparePromoteDue } from './due.ts';
import { prepareEnqueue } from './enqueue.ts';
import { prepareFinish } from './finish.ts';
import { preparePause, prepareRelease, prepareSuspend } from './give-up.ts';
import { prepareInbox } from './inbox.ts';
import { prepareJournalWriter } from './journal.ts';
import { type LeaseClock, prepareHoldsLease, prepareRenewLease } from './lease.ts';
import { prepareLimitSettings } from './limit-settings.ts';
import { prepareLimits } from './limits.ts';
import { prepareSetNamespaceSettings } from './namespaces.ts';
import { preparePost, prepareRefuse, prepareReopen } from './outside.ts';
import { preparePurge } from './purge.ts';
import { prepareChangeQueue } from './queues.ts';
import { prepareAppendSession } from './sessions.ts';
import type { Operation } from './store-access.ts';
import { prepareSubmit } from './submit.ts';
import { prepareDecideToolPins, prepareRecordToolPins } from './tool-pins.ts';
import { prepareTransitions } from './transitions.ts';
import {
  prepareFindGone,
  prepareGiveBackOthers,
  prepareRegisterWorker,
  prepareRemoveWorker,
  prepareSweep,
} from './workers.ts';

export type Operations = ReturnType<typeof prepareOperations>;

/** All that runs within a transaction of the store, prepared for this connection. */
export function prepareOperations(database: DatabaseSync, clock: LeaseClock) {
  const blobs = prepareBlobs(database);
  const journal = prepareJournalWriter(database, blobs);
  const limits = prepareLimits(database);
  const transitions = prepareTransitions(database, limits);
  const enqueue = prepareEnqueue(database, limits);
  const inbox = prepareInbox(database, blobs);
  const delivery = prepareDelivery(database, { inbox, transitions });
  const submit = prepareSubmit(database, { blobs, enqueue });
  const findOwned = prepareFindOwned(database);
  const effects = prepareEffects({ inbox, delivery, submit });
  const refuse = prepareRefuse(database);
  const owned = { blobs, findOwned, journal, effects, inbox, delivery, transitions, limits };
  const renewLease = prepareRenewLease(database, clock);

  const submitMany: Operation<readonly NewTask[], readonly SubmitResult[]> = (turn, tasks) =>
    tasks.map((task) => submit(turn, task));
  const claim = prepareClaim(database, prepareHoldsLease(database, clock));
  const renew: Operation<{ workerId: string; leaseTtlMs: number }, boolean> = (_turn, request) =>
    renewLease(request.workerId, request.leaseTtlMs);

  return {
    writes: {
      submit: (turn, write) => submit(turn, write.task),
      append: prepareAppend(owned),
      finish: prepareFinish(database, owned),
      suspend: prepareSuspend(database, owned),
      release: prepareRelease(database, owned),
      pause: preparePause(owned),
      post: preparePost({ inbox, delivery, refuse }),
      reopen: prepareReopen(database, { inbox, enqueue, refuse }),
    } satisfies WriteOperations as WriteOperations,
    submitMany,
    claim: (turn: Turn, request: Parameters<typeof claim>[1]) => {
      limits.settle(turn);
      const tasks = claim(turn, request);
      // It took all that was ready there: nobody is to be rung up for it.
      if (tasks.length < request.limit) for (const queue of request.queues) turn.ready.delete(queue);
      return tasks;
    },
    settle: limits.settle,
    promoteDue: preparePromoteDue(database, { delivery, transitions, limits }),
    ...prepareLimitSettings(database, limits),
    addApiKey: prepareAddApiKey(database),
    registerWorker: prepareRegisterWorker(database, clock),
    renewLease: renew,
    removeWorker: prepareRemoveWorker(database, { delivery, transitions }),
    giveBackOthers: prepareGiveBackOthers(database, { delivery, transitions }),
    findGone: prepareFindGone(database, clock),
    sweep: prepareSweep(database, clock, { delivery, transitions }),
    registerDefinitions: prepareRegisterDefinitions(database),
    appendSession: prepareAppendSession(database),
    setNamespaceSettings: prepareSetNamespaceSettings(database),
    purge: preparePurge(database),
    changeQueue: prepareChangeQueue(database),
    recordToolPins: prepareRecordToolPins(database),
    decideToolPins: prepareDecideToolPins(database),
  };
}

type WriteOperations = {
  [Op in Write['op']]: Operation<Extract<Write, { op: Op }>, WriteResults[Op]>;
};
