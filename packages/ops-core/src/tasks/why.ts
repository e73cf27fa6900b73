/** Says in one look what stands between a task and its end. */
import { isFinished, type Why, type WhyReason } from '@opspawn/sdk';
import type { Standing } from '../storage/parts/flow-control.ts';
import type { WaitingCall } from '../storage/parts/provider-budgets.ts';
import type { StoredWait, TaskRow } from '../storage/store.ts';
import type { BudgetStanding } from './task-budget.ts';
import { viewTask } from './task-view.ts';

interface Facts {
  row: TaskRow;
  /** undefined for a task that has ended. */
  standing: Standing | undefined;
  /** Model calls of its that wait for a budget. */
  calls: readonly WaitingCall[];
  /** Of one that runs. */
  budget: BudgetStanding | undefined;
  /** Keys that it has to pass beside the one in whose line it stands. */
  furtherKeys: readonly KeyStanding[];
  /** Unix ms by the store's clock. */
  now: number;
}

/** A key as it stands, and what is in force there for this task. */
type KeyStanding = NonNullable<Standing['limit']>;

const isoTime = (unixMs: number): string => new Date(unixMs).toISOString();

/** The nearest reason first. It is a look: what was read may have changed a moment later. */
export function explainTask({ row, standing, calls, budget, furtherKeys, now }: Facts): Why {
  const { id: taskId, status } = row;
  if (standing === undefined || isFinished(status)) return { taskId, status, reasons: [finished(row)] };
  const isReady = isReadyAt(standing, now);
  const noWorker = isReady || status === 'pending' ? workerReasons(row, standing) : [];
  const reasons = [
    ...calls.map(waitsForBudget),
    ...familyReasons(taskId, budget),
    ...(noWorker.length === 0 || !isReady ? stateReasons(row, standing, now) : []),
    ...furtherKeys.flatMap((key) => usedUp(key, now, ', and it needs a place there too') ?? []),
    ...queueReasons(row, standing),
    ...noWorker,
    ...asked(standing),
    ...deadline(row),
  ];
  return { taskId, status, reasons };
}

const waitsForBudget = ({ key, provider, ahead, since }: WaitingCall): WhyReason => ({
  code: 'budget',
  message: `Since ${isoTime(since)} a model call of its waits for the budget of ${provider} (key ${key}), ${ahead === 0 ? 'as the first in line' : `behind ${ahead} ${ahead === 1 ? 'other' : 'others'}`}; \`opspawn provider list\` says what it may send`,
});

/** Nothing but a worker is missing, which also makes ready what is due. */
const isReadyAt = ({ state, dueAt }: Standing, now: number): boolean =>
  state === 'ready' ||
  state === 'ending' ||
  ((state === 'later' || state === 'waiting') && dueAt !== undefined && dueAt <= now);

const maxTaskIds = 10;

/**
 * Who waits for a part of a budget has none of it, and others have: that is seen from outside. Whether it runs a tool
 * meanwhile is not.
 */
function familyReasons(taskId: string, standing: BudgetStanding | undefined): WhyReason[] {
  if (standing === undefined) return [];
  const { budget, state } = standing;
  if (state.held.length === 0 || state.held.some((holder) => holder.taskId === taskId)) return [];
  const sum = (of: 'tokens' | 'costMicroUsd') => state.held.reduce((total, held) => total + held[of], 0);
  const tokens = `${state.used.tokens} are used and ${sum('tokens')} held ${of(budget.tokens, 'tokens')}`;
  const cost = `${dollars(state.used.costMicroUsd)} used and ${dollars(sum('costMicroUsd'))} held of ${dollars(budget.costMicroUsd ?? 0)}`;
  const amounts = budget.costMicroUsd === undefined ? tokens : `${tokens}, ${cost}`;
  const whose = budget.taskId === taskId ? 'its budget' : `the budget of task ${budget.taskId}`;
  return [
    {
      code: 'budget',
      message: `Other tasks hold what they may need of ${whose} (${amounts}): a model call of this one that needs more than the rest waits until theirs are over`,
      taskIds: state.held.slice(0, maxTaskIds).map((holder) => holder.taskId),
    },
  ];
}

const of = (bound: number | undefined, unit: string): string =>
  bound === undefined ? unit : `of ${bound} ${unit}`;

const dollars = (microUsd: number): string => `$${(microUsd / 1_000_000).toFixed(4)}`;

function finished(row: TaskRow): WhyReason {
  const { status, finishedAt } = row;
  const { error } = viewTask(row);
  const left = error === undefined ? 'nothing is left to do' : `${error.message} [${error.code}]`;
  const since = finishedAt === undefined ? '' : ` since ${isoTime(finishedAt)}`;
  return { code: 'finished', message: `It is ${status}${since}: ${left}` };
}

function stateReasons(row: TaskRow, standing: Standing, now: number): WhyReason[] {
  const { state, queuePause } = standing;
  if (isReadyAt(standing, now))
    return queuePause === undefined || state === 'ending' ? [ready(row, standing)] : [];
  switch (state) {
    case 'ready':
    case 'ending':
      return [ready(row, standing)];
    case 'running':
      return [running(row, standing)];
    case 'later':
      return [dueLater(row, standing)];
    case 'held':
      return [session(row, standing)];
    case 'limited':
      return [limited(standing, now)];
    case 'waiting':
      return row.waits.map(waiting);
    case 'paused':
      return [paused(row)];
    default:
      return state satisfies never;
  }
}

function ready(row: TaskRow, { workers }: Standing): WhyReason {
  const { queue } = row;
  const count = workers.filter(runs(row)).length;
  const who =
    count === 1
      ? 'the worker of its queue that runs it'
      : `one of the ${count} workers of its queue that run it`;
  const message = `Nothing holds it back: it starts as soon as ${who} has room; \`opspawn queue list\` says how much is ready in "${queue}"`;
  return { code: 'ready', message, queue };
}

const runs =
  ({ kind, name }: TaskRow) =>
  ({ definitions }: Standing['workers'][number]): boolean =>
    definitions.includes(`${kind} ${name}`);

/** A pause holds back what would start, now or when it goes on. */
function queueReasons({ queue, status }: TaskRow, { state, queuePause: pause }: Standing): WhyReason[] {
  if (pause === undefined || state === 'running' || state === 'ending') return [];
  const why = pause.reason === undefined ? '' : `: ${pause.reason}`;
  const held = status === 'pending' ? 'It waits until' : 'Once it may go on it waits until';
  const message = `${held} the queue "${queue}" is resumed, which ${pause.by} paused at ${isoTime(pause.at)}${why}`;
  return [{ code: 'queue_paused', message, queue }];
}

function running({ attempt }: TaskRow, { worker }: Standing): WhyReason {
  const { id = 'unknown', host, pid, leaseUntilAt, deadlineAt = 0 } = worker ?? {};
  const who = { id, ...(host === undefined ? {} : { host }), ...(pid === undefined ? {} : { pid }) };
  const where = host === undefined ? id : `${id} (process ${pid} on ${host})`;
  if (leaseUntilAt === undefined) {
    const message = `Worker ${where} holds it and lost its lease: the next sweep gives the task to another`;
    return { code: 'worker_lost', message, worker: who };
  }
  const message = `Attempt ${attempt} runs on worker ${where}, whose lease is good until ${isoTime(leaseUntilAt)} unless it is renewed; the attempt ends at ${isoTime(deadlineAt)} at the latest`;
  return { code: 'running', message, until: isoTime(deadlineAt), worker: who };
}

function dueLater({ failures }: TaskRow, { dueAt = 0 }: Standing): WhyReason {
  const until = isoTime(dueAt);
  const why =
    failures > 0 ? ` (it failed ${failures === 1 ? 'once' : `${failures} times`} and is tried again)` : '';
  return { code: 'due_later', message: `It is not due before ${until}${why}`, until };
}

const session = ({ sessionId }: TaskRow, { behindTaskId }: Standing): WhyReason => ({
  code: 'session',
  message: `Its session "${sessionId}" is at task ${behindTaskId}, and goes on when that one has ended`,
  ...(behindTaskId === undefined ? {} : { taskIds: [behindTaskId] }),
});

function limited({ limit }: Standing, now: number): WhyReason {
  if (limit === undefined) return { code: 'limit', message: 'It stands in the line of a key' };
  const { key, inForce, running: count, waiting: line } = limit;
  const others = line === 1 ? ', and this one waits' : `, and ${line} wait`;
  const message = `Its turn under the key "${key}" is about to come`;
  return usedUp(limit, now, others) ?? { code: 'limit', message, limit: { ...inForce, key }, running: count };
}

/** What the key holds back; undefined when it lets the next one start. */
function usedUp(
  { key, inForce, running: count, holders, nextStartAt = 0 }: KeyStanding,
  now: number,
  others: string,
): WhyReason | undefined {
  const { maxRunning, rate } = inForce;
  const shown = {
    key,
    ...(maxRunning === undefined ? {} : { maxRunning }),
    ...(rate === undefined ? {} : { rate }),
  };
  const facts = { limit: shown, running: count };
  if (maxRunning !== undefined && count >= maxRunning) {
    const message =
      maxRunning === 0
        ? `The key "${key}" has the limit 0, which lets no task start${others}`
        : `${count} of ${maxRunning} places under the key "${key}" are taken${others}`;
    return { code: 'limit', message, ...facts, taskIds: [...holders] };
  }
  if (rate !== undefined && nextStartAt > now) {
    const until = isoTime(nextStartAt);
    const message = `The key "${key}" lets ${rate.count} ${rate.count === 1 ? 'task' : 'tasks'} start in ${rate.intervalMs} ms, and the next one at ${until}`;
    return { code: 'rate', message, until, ...facts };
  }
  return undefined;
}

const waitsFor = {
  sleep: 'It sleeps',
  signal: 'It waits for the signal',
  approval: 'It waits for a person to approve',
  question: 'It waits for a person to answer',
  child: 'It waits for its child',
  doubt: 'Whether this effect happened is in doubt, and somebody has to resolve it:',
} as const satisfies Record<StoredWait['kind'], string>;

function waiting({ kind, name, step, key, dueAt }: StoredWait): WhyReason {
  const until = dueAt === undefined ? undefined : isoTime(dueAt);
  const subject = kind === 'sleep' ? '' : ` "${kind === 'doubt' ? step : name}"`;
  const childId = kind === 'child' ? /^child:([0-9a-f-]{36})$/.exec(key ?? '')?.[1] : undefined;
  return {
    code: kind,
    message: `${waitsFor[kind]}${subject}${until === undefined ? '' : ` until ${until}`}`,
    step,
    ...(until === undefined ? {} : { until }),
    ...(childId === undefined ? {} : { taskIds: [childId] }),
  };
}

function paused({ pausedReason = 'operator' }: TaskRow): WhyReason {
  const by = pausedReason === 'operator' ? 'by an operator' : `with the reason ${pausedReason}`;
  return {
    code: pausedReason === 'budget' ? 'budget' : 'paused',
    message: `It was paused ${by}, and goes on when it is resumed`,
  };
}

function workerReasons(row: TaskRow, { workers }: Standing): WhyReason[] {
  if (workers.some(runs(row))) return [];
  const { kind, name, queue } = row;
  const definitions = [...new Set(workers.flatMap((worker) => worker.definitions))].sort();
  const message =
    workers.length === 0
      ? `No live worker serves the queue "${queue}"`
      : `No live worker of the queue "${queue}" runs the ${kind} "${name}"; they run: ${definitions.join(', ') || 'nothing'}`;
  return [{ code: 'no_worker', message, queue, definitions }];
}

function deadline({ deadlineAt }: TaskRow): WhyReason[] {
  if (deadlineAt === undefined) return [];
  const until = isoTime(deadlineAt);
  return [{ code: 'deadline', message: `It fails at ${until} unless it has ended by then`, until }];
}

const askedFor: Readonly<Record<string, string>> = {
  cancel: 'It was asked to end, and an attempt has yet to write the end',
  pause: 'It was asked to pause, and has yet to stop',
};

const asked = ({ asked: kinds }: Standing): WhyReason[] =>
  [...new Set(kinds)].flatMap((kind) => {
    const message = askedFor[kind];
    return message === undefined ? [] : [{ code: 'asked' as const, message }];
  });
