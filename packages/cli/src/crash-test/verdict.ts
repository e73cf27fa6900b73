/** What one crash came to, judged from the journal before and after it and from what the processes said they ran. */
import { createHash } from 'node:crypto';
import type { Entry, Task } from '@opspawn/sdk';
import { labelOf } from '../describe-entry.ts';
import type { LedgerLine } from './ledger.ts';

export interface CrashEvidence {
  /** The id that was given out before the crash, when the process lived to say so. */
  acceptedTaskId: string | undefined;
  /** The journal as the killed process left it. */
  before: readonly Entry[];
  after: readonly Entry[];
  task: Task;
  /** Journals of its children, and theirs, by the id of the task. */
  children?: ReadonlyMap<string, readonly Entry[]>;
  killedLedger: readonly LedgerLine[];
  resumedLedger: readonly LedgerLine[];
}

export interface Verdict {
  /** Why the task counts as lost; undefined: it does not. */
  lost?: string;
  /** Recorded steps that ran again, or were recorded twice. */
  repeated: string[];
  /** Steps with effect `once` that ran a second time although nobody decided so. */
  silent: string[];
  /** Steps that wait for a decision, or got one. */
  inDoubt: string[];
  outOfTurn: boolean;
}

type Begun = Extract<LedgerLine, { said: 'begun' }>;

export function judge(evidence: CrashEvidence): Verdict {
  const { before, after, task, children = new Map(), killedLedger, resumedLedger } = evidence;
  const lost = whyLost(evidence);
  const journals = new Map([[task.id, after], ...children]);
  return {
    ...(lost === undefined ? {} : { lost }),
    repeated: [...ranAgain(before, after, resumedLedger.filter(isOf(task))), ...recordedTwice(after)],
    silent: silentEffects(journals, [...killedLedger, ...resumedLedger]),
    inDoubt: [...journals.values()].flat().filter(isOpenedDoubt).map(labelOf),
    outOfTurn: task.error?.code === 'io_outside_step',
  };
}

function whyLost({ acceptedTaskId, before, after, task }: CrashEvidence): string | undefined {
  if (acceptedTaskId !== undefined && acceptedTaskId !== task.id)
    return 'the accepted task was not found again';
  const gone = before.find((entry, index) => JSON.stringify(entry) !== JSON.stringify(after[index]));
  if (gone !== undefined) return `entry ${gone.seq} (${gone.type}) is gone or changed`;
  const ended = after.filter(({ type }) => /^task\.(completed|failed|cancelled)$/.test(type)).length;
  const hasEnded = ['completed', 'failed', 'cancelled'].includes(task.status);
  if (ended > 1) return `it ended ${ended} times`;
  return hasEnded || task.status === 'waiting' ? undefined : `it stayed ${task.status}`;
}

/** What the killed process had recorded must not begin in the resumed one, unless it was reopened. */
function ranAgain(
  before: readonly Entry[],
  after: readonly Entry[],
  resumed: readonly LedgerLine[],
): string[] {
  const begun = new Set(resumed.filter(isBegun).map(({ key }) => keyHash(key)));
  const reopened = new Set(after.filter(({ type }) => type === 'step.reopened').map(identityHash));
  const recorded = before.filter(isResult).filter((entry) => begun.has(identityHash(entry)));
  return recorded.filter((entry) => !reopened.has(identityHash(entry))).map(labelOf);
}

function recordedTwice(after: readonly Entry[]): string[] {
  const counted = Map.groupBy(after.filter(isResult), identityHash);
  const reopened = new Set(after.filter(({ type }) => type === 'step.reopened').map(identityHash));
  return [...counted].flatMap(([hash, [first, second]]) =>
    first !== undefined && second !== undefined && !reopened.has(hash) ? [labelOf(first)] : [],
  );
}

function silentEffects(
  journals: ReadonlyMap<string, readonly Entry[]>,
  ledger: readonly LedgerLine[],
): string[] {
  const decided = new Set(
    [...journals].flatMap(([taskId, entries]) =>
      entries
        .filter(({ type }) => type === 'doubt.resolved')
        .map((entry) => `${taskId}:${identityHash(entry)}`),
    ),
  );
  const firstTries = ledger
    .filter(isBegun)
    .filter(({ effect, tryNumber }) => effect === 'once' && tryNumber === 1);
  return [...Map.groupBy(firstTries, ({ key }) => key)].flatMap(([key, begins]) =>
    begins.length > 1 && !decided.has(key) ? [begins[0]?.name ?? key] : [],
  );
}

/** Steps of its children are in journals of their own. */
const isOf =
  ({ id }: Task) =>
  (line: LedgerLine): boolean =>
    !isBegun(line) || line.key.startsWith(`${id}:`);
const isBegun = (line: LedgerLine): line is Begun => line.said === 'begun';
const isResult = ({ type }: Entry): boolean => type === 'step.completed' || type === 'step.failed';
const isOpenedDoubt = ({ type, data }: Entry): boolean =>
  type === 'wait.opened' && (data as { kind?: unknown } | undefined)?.kind === 'doubt';

/** An idempotency key is `<taskId>:<hash of [branch, name, count]>`. */
const keyHash = (key: string): string => key.slice(key.indexOf(':') + 1);
const identityHash = ({ branch = '', name = '', count = 1 }: Entry): string =>
  createHash('sha256')
    .update(JSON.stringify([branch, name, count]))
    .digest('hex')
    .slice(0, 32);
