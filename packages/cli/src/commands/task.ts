import type { Client, Entry, ErrorCode, Task, TaskKind } from '@opspawn/sdk';
import type { ConnectOptions } from '../connect.ts';
import { createEntryDescriber, type EntryDescription } from '../describe-entry.ts';
import { type Column, createOutput, formatDuration, type Output, printable } from '../output.ts';
import { exitCodeOf, waitHint, watchTask } from '../watch-task.ts';
import { withClient } from '../with-client.ts';

export interface CommandOptions extends ConnectOptions {
  json?: boolean;
}

const outputOf = (options: CommandOptions): Output => createOutput({ json: options.json === true });

interface ListOptions extends CommandOptions {
  status?: Task['status'][];
  kind?: TaskKind;
  name?: string;
  queue?: string;
  session?: string;
  errorCode?: ErrorCode;
  limit: number;
}

const largestPage = 200;

const taskColumns: readonly Column<Task>[] = [
  { header: 'ID', value: (task) => task.id },
  { header: 'STATUS', value: statusOf },
  { header: 'KIND', value: (task) => task.kind },
  { header: 'NAME', value: (task) => task.name, shrinks: true },
  { header: 'AGE', value: (task) => formatDuration(Date.now() - Date.parse(task.createdAt)) },
  { header: 'ATTEMPT', value: (task) => String(task.attempt) },
  { header: 'ENTRIES', value: (task) => String(task.entries) },
];

function statusOf({ status, waits, pausedReason }: Task): string {
  if (status === 'waiting') return `waiting: ${[...new Set(waits.map(({ kind }) => kind))].join(', ')}`;
  return pausedReason === undefined ? status : `${status}: ${pausedReason}`;
}

export async function list(options: ListOptions): Promise<void> {
  const { status, kind, name, queue, session: sessionId, errorCode, limit } = options;
  const tasks = await withClient(options, async (client) => {
    const found: Task[] = [];
    for (let cursor: string | undefined; found.length < limit; ) {
      const query = {
        status,
        kind,
        name,
        queue,
        sessionId,
        errorCode,
        cursor,
        limit: Math.min(largestPage, limit - found.length),
      };
      const page = await client.tasks.list(withoutUndefined(query));
      found.push(...page.items);
      cursor = page.nextCursor;
      if (cursor === undefined) break;
    }
    return found;
  });
  outputOf(options).records(tasks, taskColumns, 'No tasks.');
}

export async function get(id: string, options: CommandOptions): Promise<void> {
  const task = await withClient(options, (client) => client.tasks.get(id));
  outputOf(options).record(task, () => describeTask(task));
}

interface JournalOptions extends CommandOptions {
  after: number;
  full?: boolean;
}

type JournalRow = Entry & { described: EntryDescription };

const journalColumns: readonly Column<JournalRow>[] = [
  { header: 'SEQ', value: (row) => String(row.seq) },
  { header: 'AT', value: (row) => new Date(row.at).toISOString().slice(11, 23) },
  { header: 'ATTEMPT', value: (row) => String(row.attempt) },
  { header: 'KIND', value: ({ described }) => described.kind },
  { header: 'WHAT', value: ({ described }) => described.subject },
  {
    header: 'TOOK',
    value: ({ described: { durationMs } }) => (durationMs === undefined ? '' : formatDuration(durationMs)),
  },
  {
    header: 'DETAIL',
    value: ({ described }) => (described.ok ? described.detail : `✖ ${described.detail}`),
    shrinks: true,
  },
];

export async function journal(id: string, options: JournalOptions): Promise<void> {
  const output = outputOf(options);
  const entries = await withClient(options, (client) => readJournal(client, id, options.after));
  if (output.json) return output.records(entries, [], '');
  if (options.full) {
    for (const entry of entries) output.record(entry, () => printable(JSON.stringify(entry, undefined, 2)));
    return;
  }
  const describe = createEntryDescriber();
  const rows = entries.map((entry) => ({ ...entry, described: shortened(describe(entry)) }));
  output.records(rows, journalColumns, 'No entries.');
}

const longestDetail = 100;

/** Where no terminal's width bounds the table, something else has to. */
function shortened(entry: EntryDescription): EntryDescription {
  if (process.stdout.isTTY || entry.detail.length <= longestDetail) return entry;
  return { ...entry, detail: `${entry.detail.slice(0, longestDetail - 1)}…` };
}

export async function readJournal(client: Client, id: string, after = 0): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (let next: number | undefined = after; next !== undefined; ) {
    const page: Awaited<ReturnType<Client['tasks']['journal']>> = await client.tasks.journal(id, {
      after: next,
      limit: 1000,
    });
    entries.push(...page.items);
    next = page.nextAfter;
  }
  return entries;
}

export async function watch(id: string, options: CommandOptions & { after: number }): Promise<void> {
  const output = outputOf(options);
  await withClient(options, async (client) => {
    await client.tasks.get(id);
    const watched = await watchTask(client, output, { taskId: id, after: options.after });
    if (!watched.ended) return;
    if (!output.json) printResult(watched.task, output);
    process.exitCode = exitCodeOf(watched.task);
  });
}

/** A finished task's output on stdout; how else it ended on stderr. */
export function printResult(task: Task, output: Output): void {
  if (task.status === 'completed') {
    output.record(task.output ?? null, () => valueText(task.output));
  } else if (task.status === 'failed') {
    output.talk(`Task ${task.id} failed: ${printable(task.error?.message ?? '')} [${task.error?.code}]`);
    output.talk(
      `See what happened with: opspawn task journal ${task.id}. Try again with: opspawn task retry ${task.id}`,
    );
  } else {
    output.talk(`Task ${task.id} is ${task.status}.`);
  }
}

/** Text as it is, other values as JSON. */
export const valueText = (value: unknown): string =>
  printable(typeof value === 'string' ? value.trimEnd() : JSON.stringify(value ?? null, undefined, 2));

function describeTask(task: Task): string {
  const { error, usage } = task;
  const facts: [string, string | undefined][] = [
    ['id', task.id],
    ['status', statusOf(task)],
    ['name', `${task.kind} ${task.name}`],
    ['queue', `${task.queue}, priority ${task.priority}`],
    ['attempt', `${task.attempt}, ${task.failures} ${task.failures === 1 ? 'failure' : 'failures'}`],
    ['entries', String(task.entries)],
    ['session', task.sessionId],
    ['parent', task.parentId],
    ['created', task.createdAt],
    ['due', task.dueAt],
    ['deadline', task.deadlineAt],
    ['finished', task.finishedAt],
    [
      'tokens',
      usage && `${usage.inputTokens} in (${usage.cachedInputTokens} cached), ${usage.outputTokens} out`,
    ],
    ['cost', usage && costText(usage.costMicroUsd)],
    ['error', error && `${error.message} [${error.code}]`],
    ...causesOf(error).map((cause): [string, string] => ['because', `${cause.message} [${cause.code}]`]),
  ];
  const lines = facts.flatMap(([label, value]) =>
    value === undefined ? [] : [`${label.padEnd(9)} ${printable(value)}`],
  );
  for (const wait of task.waits) {
    const hint = waitHint(task.id, wait);
    lines.push(
      `waits     for ${wait.kind} ${printable(wait.kind === 'doubt' ? wait.step : wait.name)}${wait.dueAt === undefined ? '' : ` until ${wait.dueAt}`}`,
    );
    if (wait.data !== undefined) lines.push(`          ${printable(JSON.stringify(wait.data))}`);
    if (hint !== undefined) lines.push(`          ${hint}`);
  }
  if (task.input !== undefined) lines.push('', 'input', valueText(task.input));
  if (task.output !== undefined) lines.push('', 'output', valueText(task.output));
  return lines.join('\n');
}

type RecordedError = NonNullable<Task['error']>;

/** The errors behind an error, the nearest first. */
export function causesOf(error: RecordedError | undefined): RecordedError[] {
  return error?.cause === undefined ? [] : [error.cause, ...causesOf(error.cause)];
}

export const costText = (microUsd: number | undefined): string =>
  microUsd === undefined ? 'unknown: the model has no price' : `$${(microUsd / 1_000_000).toFixed(6)}`;

/** A request without what was not given. */
export function withoutUndefined<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
