import { OpspawnError } from '@opspawn/agentkit/schema';
import type { Client, CreateTask, Task, TaskKind } from '@opspawn/sdk';
import {
  addHint,
  type Connection,
  connectToServer,
  defaultUrl,
  isLocal,
  isServing,
  namedNamespace,
  namedUrl,
} from '../connect.ts';
import { createOutput, type Output } from '../output.ts';
import { readTaskInput } from '../read-input.ts';
import { exitCodeOf, watchTask } from '../watch-task.ts';
import { type CommandOptions, printResult, withoutUndefined } from './task.ts';

interface RunOptions extends CommandOptions {
  input?: string;
  kind?: TaskKind;
  session?: string;
  idempotencyKey?: string;
  queue?: string;
  priority?: number;
  at?: string;
  /** In ms. */
  delay?: number;
  maxTokens?: number;
  maxCost?: number;
  /** In ms. */
  timeout?: number;
  deadline?: string;
  concurrencyKey?: string;
  concurrencyLimit?: number;
  rateKey?: string;
  rate?: { count: number; intervalMs: number };
  watch?: boolean;
  detach?: boolean;
  embedded?: boolean;
  config?: string;
}

export async function run(name: string, positional: string | undefined, options: RunOptions): Promise<void> {
  const output = createOutput({ json: options.json === true });
  const input = await readTaskInput(positional, options.input);
  const request: CreateTask = { name, ...(input === undefined ? {} : { input }), ...requestOptions(options) };
  try {
    await using place = await choosePlace(options, output);
    const { client } = place;
    const task = await submit(client, request);
    if (options.detach) output.record(task, () => task.id);
    else await follow(place, output, task, options.watch === true);
  } catch (thrown) {
    throw addHint(thrown, options);
  }
}

/** What was said of how and when the task runs. */
function requestOptions(options: RunOptions): Omit<CreateTask, 'name' | 'input'> {
  const { kind, session: sessionId, idempotencyKey, queue, priority, at: runAt, delay: delayMs } = options;
  const { timeout: timeoutMs, deadline: deadlineAt } = options;
  const { concurrencyKey, concurrencyLimit, rateKey, rate: rateLimit, maxTokens, maxCost } = options;
  const said = {
    kind,
    sessionId,
    idempotencyKey,
    queue,
    priority,
    runAt,
    delayMs,
    timeoutMs,
    deadlineAt,
    concurrencyKey,
    concurrencyLimit,
    budget:
      maxTokens === undefined && maxCost === undefined
        ? undefined
        : withoutUndefined({ tokens: maxTokens, costMicroUsd: maxCost }),
    rateKey,
    rateLimit,
  };
  return withoutUndefined(said);
}

/** Where the task runs. */
interface Place extends Connection {
  /** Said when a Ctrl-C ends this process together with the worker in it. */
  stopped?: string;
}

/** The server that was named, or that runs here; without one this process itself, when it knows what to run. */
async function choosePlace(options: RunOptions, output: Output): Promise<Place> {
  const { data, database, config, embedded = isLocal(options), detach } = options;
  const url = namedUrl(options);
  if (url !== undefined && !embedded) return await connectToServer(url, options);
  if (!embedded && (await isServing(defaultUrl))) return await connectToServer(defaultUrl, options);
  const { configPathFrom, openEmbedded, settingsFrom } = await import('../embedded.ts');
  const configPath = configPathFrom(config, settingsFrom({}));
  if (configPath === undefined) throw nothingToRun(embedded);
  if (detach) {
    throw new OpspawnError(
      'invalid_argument',
      '--detach needs a server: this process would end before the task does',
    );
  }
  const place = await openEmbedded({
    configPath,
    namespace: namedNamespace(options),
    ...(data === undefined ? {} : { data }),
    ...(database === undefined ? {} : { database }),
  });
  output.talk(
    `${embedded ? '' : `No server answers at ${defaultUrl}: `}running in this process on ${place.place}`,
  );
  return {
    ...place,
    stopped: `Stopping: the task is kept in ${place.place} and goes on when a worker runs on it.`,
  };
}

function nothingToRun(embedded: boolean): OpspawnError {
  if (embedded) {
    return new OpspawnError(
      'config_invalid',
      'There is no opspawn.config.ts here that says what can be run',
      {
        details: { hint: 'Name one with --config FILE.' },
      },
    );
  }
  return new OpspawnError(
    'unavailable',
    `No Opspawn server answers at ${defaultUrl}, and there is no opspawn.config.ts here`,
    {
      details: { hint: 'Start a server with "opspawn start", or name a config with --config FILE.' },
    },
  );
}

/** An unknown name is answered with the known ones. */
async function submit(client: Client, request: CreateTask): Promise<Task> {
  try {
    return await client.tasks.create(request);
  } catch (thrown) {
    if (!(thrown instanceof OpspawnError) || !isAboutName(thrown)) throw thrown;
    const { items } = await client.definitions.list();
    const known = items.map(({ kind, name }) => `${kind} ${name}`).join(', ') || 'nothing: start a worker';
    const details = { ...thrown.details, hint: `Known: ${known}.` };
    throw new OpspawnError(thrown.code, thrown.message, { cause: thrown, details });
  }
}

const isAboutName = ({ details: { errors } }: OpspawnError): boolean =>
  Array.isArray(errors) && errors.some((error: { path?: unknown }) => error.path === '/name');

async function follow(
  { client, stopped }: Place,
  output: Output,
  task: Task,
  showsSteps: boolean,
): Promise<void> {
  output.talk(`Task ${task.id}`);
  const watched = await watchTask(client, output, {
    taskId: task.id,
    showsSteps,
    ...(stopped === undefined ? {} : { stopped }),
  });
  if (!watched.ended) return;
  if (!output.json) printResult(watched.task, output);
  else if (!showsSteps) output.record(watched.task, () => '');
  process.exitCode = exitCodeOf(watched.task);
}
