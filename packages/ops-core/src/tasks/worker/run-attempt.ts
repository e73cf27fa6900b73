import { OpspawnError, type Steps } from '@opspawn/agentkit';
import type { Log } from '../../observe/log.ts';
import type { TaskBudgetStore } from '../../storage/parts/task-budgets.ts';
import type { ClaimedTask } from '../../storage/store.ts';
import { mergeRetry } from '../definitions/definition.ts';
import type { Registry, Runnable } from '../definitions/registry.ts';
import type { DurableOptions, DurableOutcome } from '../durable/port.ts';
import { runDurable } from '../durable/run-durable.ts';
import { budgetsOf, type SharedBudget, StoreTaskBudget, sharedBudget } from '../task-budget.ts';
import { parseTaskOptions, type TaskOptions } from '../task-view.ts';
import type { Attempt, UnownedWrite } from './attempt.ts';
import { deadlineEnd, isOverdue } from './overdue.ts';
import { failureOf, giveBack, settlementOf } from './settle.ts';

export interface AttemptEnvironment {
  registry: Registry;
  log: Log;
  durable: Omit<DurableOptions, 'mode' | 'defaultRetry' | 'budget'>;
  budgets: TaskBudgetStore;
  /** Stands between a function and its steps. */
  wrapSteps: (steps: Steps, task: ClaimedTask) => Steps;
}

/**
 * Runs an attempt to its end and writes what came of it. Never rejects: what cannot be written is logged. Whether the task is
 * surely no more this attempt's: while a lease seems lost nothing is written, and then it may have held after all.
 */
export async function runAttempt(attempt: Attempt, environment: AttemptEnvironment): Promise<boolean> {
  const { registry, log } = environment;
  const { taskId, kind, name } = attempt.task;
  const fields = { taskId, attempt: attempt.attempt };
  try {
    const runnable = registry.get(kind, name);
    if (runnable === undefined) {
      await giveBackUnknown(attempt, log);
      return true;
    }
    const settlement = await settle(attempt, runnable, environment);
    if (settlement === undefined) return true;
    const result = await attempt.end(settlement);
    if (!result.ok) log.info(fields, 'another attempt owns the task: its outcome was not written');
    return true;
  } catch (error) {
    log.error({ ...fields, err: error }, 'the outcome of an attempt could not be written');
    // What the store refuses it would refuse again at once: that waits until the attempt's time is over.
    return !(error instanceof OpspawnError && error.code === 'lease_lost');
  }
}

async function settle(
  attempt: Attempt,
  defined: Runnable,
  environment: AttemptEnvironment,
): Promise<UnownedWrite | undefined> {
  const options = parseTaskOptions(attempt.task.options);
  // What the task says counts for its steps as well, as what its definition says does.
  const runnable =
    options.retry === undefined ? defined : { ...defined, retry: mergeRetry(defined.retry, options.retry) };
  const { retry } = runnable;
  try {
    const outcome = await perform(attempt, runnable, options, environment);
    logOutcome(attempt, outcome, environment.log);
    if (outcome.kind === 'stopped' || attempt.stopCause === 'task_deadline') await attempt.written();
    if (isOverdue(attempt, outcome)) return await deadlineEnd(attempt);
    return settlementOf(outcome, attempt, retry);
  } catch (thrown) {
    environment.log.error(
      { taskId: attempt.taskId, attempt: attempt.attempt, err: thrown },
      'an attempt broke',
    );
    await attempt.written();
    if (attempt.stopCause === 'task_deadline') return await deadlineEnd(attempt);
    return attempt.stopCause === 'lease_lost' ? undefined : failureOf(thrown, attempt, retry);
  }
}

async function perform(
  attempt: Attempt,
  runnable: Runnable,
  options: TaskOptions,
  { durable, wrapSteps, budgets, log }: AttemptEnvironment,
): Promise<DurableOutcome> {
  const { task } = attempt;
  // An agent begins with a question to its model.
  if (runnable.mode === 'replay') await claimKept(task);
  const budget = sharedBudget(task.taskId, options.budget, runnable.budget);
  if (task.hasInbox) await attempt.reloadInbox();
  const journal = task.lastSeq > 0 ? await attempt.journal() : [];
  const isWatched = () => attempt.isWatched();
  const outcome = await runDurable(
    attempt,
    journal,
    (steps) => {
      attempt.steps = steps;
      return runnable.body(wrapSteps(steps, task), { task, options, isWatched });
    },
    {
      ...durable,
      mode: runnable.mode,
      defaultRetry: runnable.retry,
      ...(budget && {
        budget: (run) =>
          new StoreTaskBudget({
            store: budgets,
            task,
            budget,
            run,
            untilAvailable: (call) => attempt.untilAvailable(call),
          }),
      }),
    },
  );
  if (budget !== undefined) await giveBackHeld(outcome, budget, task.taskId, { budgets, log });
  return outcome;
}

async function claimKept({ onDisk }: ClaimedTask): Promise<void> {
  const failure = onDisk === undefined ? undefined : await onDisk;
  if (failure !== undefined) throw failure;
}

/** Of an attempt that was stopped nobody knows whether its last call was made: the next one books it. */
async function giveBackHeld(
  { kind }: DurableOutcome,
  budget: SharedBudget,
  taskId: string,
  { budgets, log }: Pick<AttemptEnvironment, 'budgets' | 'log'>,
): Promise<void> {
  if (kind === 'lost' || kind === 'stopped') return;
  try {
    for (const each of budgetsOf(budget)) await budgets.release(each.taskId, taskId);
  } catch (err) {
    log.warn({ taskId, err }, 'what a task held of its budget is given back when it has ended');
  }
}

/** At once: from now on this worker passes such tasks over. */
async function giveBackUnknown(attempt: Attempt, log: Log): Promise<void> {
  const { kind, name } = attempt.task;
  log.info({ taskId: attempt.taskId, attempt: attempt.attempt }, `this worker has no ${kind} "${name}"`);
  await attempt.write(giveBack(attempt, 0));
}

function logOutcome(attempt: Attempt, outcome: DurableOutcome, log: Log): void {
  const { taskId, attempt: number } = attempt;
  switch (outcome.kind) {
    case 'failed':
      log.warn({ taskId, attempt: number, err: outcome.thrown }, 'an attempt failed');
      break;
    case 'paused':
      log.warn(
        { taskId, attempt: number, reason: outcome.reason, details: outcome.details },
        'a task paused',
      );
      break;
    case 'lost':
    case 'stopped':
      log.info({ taskId, attempt: number, reason: outcome.error.message }, 'an attempt was stopped');
      break;
    default:
      break;
  }
}
