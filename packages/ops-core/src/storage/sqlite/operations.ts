import type { DatabaseSync } from 'node:sqlite';
import type { NewTask, Offer, SubmitResult, Write, WriteResults } from '../store.ts';
import type { Turn } from '../turn.ts';
import { prepareBlobs } from './database/blobs.ts';
import { prepareAddApiKey, prepareRemoveApiKey } from './parts/api-keys.ts';
import { prepareDefinitionChanges } from './parts/definitions.ts';
import { prepareLimitSettings } from './parts/limit-settings.ts';
import { prepareSetNamespaceSettings } from './parts/namespaces.ts';
import { preparePurge } from './parts/purge.ts';
import { prepareChangeQueue } from './parts/queues.ts';
import { prepareAppendSession } from './parts/sessions.ts';
import { prepareDecideToolPins, prepareRecordToolPins } from './parts/tool-pins.ts';
import { prepareBegin } from './scheduling/begin.ts';
import { prepareClaim } from './scheduling/claim.ts';
import { preparePromoteDue } from './scheduling/due.ts';
import { prepareEnqueue } from './scheduling/enqueue.ts';
import { type LeaseClock, prepareHoldsLease, prepareRenewLease } from './scheduling/lease.ts';
import { prepareLimits } from './scheduling/limits.ts';
import { prepareTransitions } from './scheduling/transitions.ts';
import {
  prepareFindGone,
  prepareGiveBackOthers,
  prepareRegisterWorker,
  prepareRemoveWorker,
  prepareSweep,
} from './scheduling/workers.ts';
import { prepareAppend, prepareEffects, prepareFindOwned } from './writing/append.ts';
import { prepareCancelUnbegun } from './writing/cancel-unbegun.ts';
import { type Delivery, prepareDelivery } from './writing/delivery.ts';
import { prepareFinish } from './writing/finish.ts';
import { preparePause, prepareRelease, prepareSuspend } from './writing/give-up.ts';
import { prepareInbox } from './writing/inbox.ts';
import { prepareJournalWriter } from './writing/journal.ts';
import { preparePost, prepareRefuse, prepareReopen } from './writing/outside.ts';
import type { Operation } from './writing/store-access.ts';
import { prepareSubmit } from './writing/submit.ts';

export type Operations = ReturnType<typeof prepareOperations>;

/** All that runs within a transaction of the store, prepared for this connection. */
export function prepareOperations(database: DatabaseSync, clock: LeaseClock) {
  const blobs = prepareBlobs(database);
  const journal = prepareJournalWriter(database, blobs);
  const limits = prepareLimits(database);
  const transitions = prepareTransitions(database, limits);
  const enqueue = prepareEnqueue(database, limits);
  const inbox = prepareInbox(database, blobs);
  const delivery: Delivery = prepareDelivery(database, {
    inbox,
    transitions,
    cancelUnbegun: (turn, taskId, itemId) => cancelUnbegun(turn, taskId, itemId),
  });
  const cancelUnbegun = prepareCancelUnbegun(database, { inbox, delivery, transitions, limits });
  const holdsLease = prepareHoldsLease(database, clock);
  const submit = prepareSubmit(database, { blobs, enqueue, begin: prepareBegin(database, holdsLease) });
  const findOwned = prepareFindOwned(database);
  const effects = prepareEffects({ inbox, delivery, submit });
  const refuse = prepareRefuse(database);
  const owned = { blobs, findOwned, journal, effects, inbox, delivery, transitions, limits };
  const renewLease = prepareRenewLease(database, clock);

  const submitMany: Operation<readonly NewTask[], readonly SubmitResult[]> = (turn, tasks) =>
    tasks.map((task) => submit(turn, task));
  const claim = prepareClaim(database, holdsLease);
  const renew: Operation<{ workerId: string; leaseTtlMs: number }, boolean> = (_turn, request) =>
    renewLease(request.workerId, request.leaseTtlMs);

  return {
    writes: {
      append: prepareAppend(owned),
      finish: prepareFinish(database, owned),
      suspend: prepareSuspend(database, owned),
      release: prepareRelease(database, owned),
      pause: preparePause(owned),
      post: preparePost({ inbox, delivery, refuse }),
      reopen: prepareReopen(database, { inbox, enqueue, refuse }),
    } satisfies WriteOperations as WriteOperations,
    submit: (turn: Turn, { task, offer }: Submission) => submit(turn, task, offer),
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
    removeApiKey: prepareRemoveApiKey(database),
    registerWorker: prepareRegisterWorker(database, clock),
    renewLease: renew,
    removeWorker: prepareRemoveWorker(database, { delivery, transitions }),
    giveBackOthers: prepareGiveBackOthers(database, { delivery, transitions }),
    findGone: prepareFindGone(database, clock),
    sweep: prepareSweep(database, clock, { delivery, transitions }),
    ...prepareDefinitionChanges(database),
    appendSession: prepareAppendSession(database),
    setNamespaceSettings: prepareSetNamespaceSettings(database),
    purge: preparePurge(database),
    changeQueue: prepareChangeQueue(database),
    recordToolPins: prepareRecordToolPins(database),
    decideToolPins: prepareDecideToolPins(database),
  };
}

interface Submission {
  readonly task: NewTask;
  readonly offer: Offer | undefined;
}

type WriteOperations = {
  [Op in Exclude<Write['op'], 'submit'>]: Operation<Extract<Write, { op: Op }>, WriteResults[Op]>;
};
