/** cancel, retry, pause and resume: one task by its id, or all that match a filter. */
import { createInterface } from 'node:readline/promises';
import {
  type BulkResult,
  type Client,
  type ErrorCode,
  OpspawnError,
  type Task,
  type TaskKind,
} from '@opspawn/sdk';
import { createOutput, type Output } from '../output.ts';
import { withClient } from '../with-client.ts';
import { type CommandOptions, withoutUndefined } from './task.ts';

export type BulkVerb = 'cancel' | 'retry' | 'pause' | 'resume';

interface ActOptions extends CommandOptions {
  status?: Task['status'][];
  kind?: TaskKind;
  name?: string;
  queue?: string;
  session?: string;
  parent?: string;
  errorCode?: ErrorCode;
  createdBefore?: string;
  createdAfter?: string;
  all?: boolean;
  dryRun?: boolean;
  yes?: boolean;
  reason?: string;
}

type Filter = Parameters<Client['tasks']['retryMany']>[0]['filter'];

export async function act(verb: BulkVerb, id: string | undefined, options: ActOptions): Promise<void> {
  const output = createOutput({ json: options.json === true });
  const filter = filterOf(options);
  const isFiltered = Object.keys(filter).length > 0 || options.all === true;
  if (id !== undefined && isFiltered) throw mistake('Give an id or filters, not both.');
  if (id === undefined && !isFiltered)
    throw mistake(
      `Say which: an id, filters such as --name, or --all. "opspawn task ${verb} --help" lists them.`,
    );
  await withClient(options, async (client) => {
    if (id !== undefined) await actOnOne(client, output, { verb, id, options });
    else await actOnMany(client, output, { verb, filter, options });
  });
}

function filterOf(options: ActOptions): Filter {
  const { status, kind, name, queue, session, parent, errorCode, createdBefore, createdAfter } = options;
  return withoutUndefined({
    status,
    kind,
    name,
    queue,
    sessionId: session,
    parentId: parent,
    errorCode,
    createdBefore,
    createdAfter,
  });
}

interface One {
  verb: BulkVerb;
  id: string;
  options: ActOptions;
}

async function actOnOne(client: Client, output: Output, { verb, id, options }: One): Promise<void> {
  const { reason } = options;
  const task =
    verb === 'cancel'
      ? await client.tasks.cancel(id, withoutUndefined({ reason }))
      : await client.tasks[verb](id);
  output.record(task, () => saidOf(verb, task));
}

function saidOf(verb: BulkVerb, { id, status }: Task): string {
  if (verb === 'cancel' && status !== 'cancelled') return `${id} was asked to end; it is ${status}`;
  if (verb === 'pause' && status !== 'paused') return `${id} was asked to pause; it is ${status}`;
  return verb === 'retry' || verb === 'resume' ? `${id} is ${status} again` : `${id} is ${status}`;
}

interface Many {
  verb: BulkVerb;
  filter: Filter;
  options: ActOptions;
}

async function actOnMany(client: Client, output: Output, { verb, filter, options }: Many): Promise<void> {
  const call = client.tasks[`${verb}Many`] as Client['tasks']['cancelMany'];
  const body = { filter, ...(verb === 'cancel' ? withoutUndefined({ reason: options.reason }) : {}) };
  let result = await call({ ...body, dryRun: true });
  const { matched } = result;
  if (options.dryRun === true || matched === 0) {
    output.record(factsOf(result), () => `${tasks(matched)} can be told to ${verb}`);
    return;
  }
  if (options.yes !== true && !(await confirm(`${verb} ${tasks(matched)}?`)))
    throw mistake(
      `${tasks(matched)} ${matched === 1 ? 'matches' : 'match'}. Add --yes to ${verb} ${matched === 1 ? 'it' : 'them'}.`,
    );
  while (result.token !== undefined) {
    result = await call({ ...body, token: result.token });
    if (result.token !== undefined) output.talk(`${result.done + result.skipped} of ${matched} …`);
  }
  const skipped = result.skipped === 0 ? '' : `; ${result.skipped} were in another state by then`;
  output.record(factsOf(result), () => `${tasks(result.done)} told to ${verb}${skipped}`);
}

const factsOf = ({ matched, done, skipped }: BulkResult) => ({ matched, done, skipped });
const tasks = (count: number): string => `${count} ${count === 1 ? 'task' : 'tasks'}`;

/** Asks at the terminal. Where there is none, nobody agrees. */
async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`${question} [y/N] `);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

const mistake = (message: string): OpspawnError => new OpspawnError('invalid_argument', message);
