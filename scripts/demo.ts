/**
 * `npm run demo [-- PATH] [--data FOLDER]`: an agent reads a folder and writes a report. In the middle its worker is
 * killed with SIGKILL; a new one takes over, and what is recorded is not done again.
 *
 * Exits with 0 when the report is there and nothing recorded ran twice, 2 for a PATH that is no folder, 1 otherwise.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { defaultModelSpec } from '@opspawn/agentkit';
import { type Client, createClient, type Entry, type Task } from '@opspawn/sdk';
import { readCalls, weigh } from './demo/evidence.ts';
import { openProcesses, type Processes } from './demo/processes.ts';
import { Screen } from './demo/screen.ts';

interface DemoOptions {
  folder: string;
  dataDir: string;
  screen: Screen;
}

const root = fileURLToPath(new URL('..', import.meta.url));
const sample = join(root, 'examples', 'folder-report', 'sample');

async function runDemo({ folder, dataDir, screen }: DemoOptions): Promise<boolean> {
  const ledger = join(dataDir, 'demo-calls.ndjson');
  rmSync(ledger, { force: true });
  await using processes = openProcesses({ dataDir, folder, ledger });
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void processes.stop(signal));
  // Whoever reads the output has gone.
  process.stdout.on('error', () => void processes.stop('SIGTERM'));
  screen.say('Opspawn demo: an agent reads a folder, is killed in the middle, and goes on where it was.\n');
  screen.facts({
    folder: folder === sample ? relative(root, folder) : folder,
    data: `${dataDir} (SQLite)`,
    model: modelText(),
  });
  const [server, worker] = await Promise.all([processes.startServer(), processes.startWorker()]);
  screen.facts({
    server: `${server.url} (pid ${server.pid})`,
    worker: `a process of its own (pid ${worker.pid})`,
  });
  const client = createClient({ baseUrl: server.url });
  const task = await client.tasks.create({ name: 'folder-report', input: 'Write a report on the folder.' });
  screen.say(`\nPOST /v1/tasks: task ${task.id} is accepted. Its steps, as they are recorded:\n`);
  const startedAt = performance.now();
  const crash = crashOnce({ client, task, processes, screen });
  const ended = await watch({ client, task, screen, killAfter: killAfter(folder), crash });
  const journal = await readJournal(client, task.id);
  screen.result(ended, { durationMs: performance.now() - startedAt });
  return screen.verdict(weigh(journal, readCalls(ledger)), ended, dataDir);
}

const modelText = (): string =>
  defaultModelSpec(process.env) ??
  'scripted/folder-report: rules, no LLM (set OPENAI_API_KEY or another key for a real one)';

interface WatchOptions {
  client: Client;
  task: Task;
  screen: Screen;
  /** Recorded steps after which the worker is killed, as soon as a tool is under way. */
  killAfter: number;
  /** Kills the worker and starts another one. */
  crash: () => Promise<void>;
}

/** Shows the task until it ends, and has its worker killed on the way. */
async function watch({ client, task, screen, killAfter, crash }: WatchOptions): Promise<Task> {
  let recorded = 0;
  let crashing: Promise<void> | undefined;
  const watching = new AbortController();
  for await (const event of client.tasks.watch(task.id, { signal: watching.signal })) {
    if (event.type === 'entry') {
      recorded += 1;
      screen.entry(event.data);
    } else if (event.type === 'live') {
      screen.live(event.data);
      if (recorded >= killAfter && isToolStart(event.data))
        crashing ??= crash().catch((error) => watching.abort(error));
    } else if (event.type === 'end') {
      if (crashing === undefined) screen.say('\n(The run was over before its worker could be killed.)');
      await crashing;
      return event.data;
    }
  }
  throw new Error('The stream ended before the task did');
}

const isToolStart = (event: unknown): boolean =>
  typeof event === 'object' && event !== null && (event as { type?: unknown }).type === 'tool.started';

/** Calls that the model asked for together begin together: those that come a moment later are in the middle too. */
const togetherMs = 30;

type CrashOptions = Pick<WatchOptions, 'client' | 'task' | 'screen'> & { processes: Processes };

const crashOnce =
  ({ client, task, processes, screen }: CrashOptions) =>
  async (): Promise<void> => {
    await delay(togetherMs);
    const killed = await processes.killWorker();
    const recorded = await readJournal(client, task.id);
    screen.killed(killed.pid, recorded);
    const { pid } = await processes.startWorker();
    screen.takeover(pid, recorded);
  };

/** In the middle: a small folder makes few steps. */
function killAfter(folder: string): number {
  const entries = readdirSync(folder).filter((name) => name !== '.git' && name !== 'node_modules').length;
  return Math.min(9, 1 + 2 * entries);
}

async function readJournal(client: Client, taskId: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (let after: number | undefined = 0; after !== undefined; ) {
    const page: Awaited<ReturnType<Client['tasks']['journal']>> = await client.tasks.journal(taskId, {
      after,
      limit: 1000,
    });
    entries.push(...page.items);
    after = page.nextAfter;
  }
  return entries;
}

function checkFolder(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found === undefined) throw new Error(`${folder} does not exist`);
  if (!found.isDirectory()) throw new Error(`${folder} is no folder`);
  readdirSync(folder);
}

/** The options, or undefined after having said what is wrong with them. */
function readOptions(): DemoOptions | undefined {
  try {
    const { positionals, values } = parseArgs({
      allowPositionals: true,
      options: { data: { type: 'string' } },
    });
    if (positionals.length > 1) throw new Error(`one folder at most, not ${positionals.length}`);
    // npm runs its scripts elsewhere than where it was called.
    const calledIn = process.env.INIT_CWD ?? process.cwd();
    const folder = resolve(calledIn, positionals[0] ?? sample);
    checkFolder(folder);
    const dataDir =
      values.data === undefined
        ? mkdtempSync(join(tmpdir(), 'opspawn-demo-'))
        : resolve(calledIn, values.data);
    return { folder, dataDir, screen: new Screen() };
  } catch (error) {
    process.stderr.write(
      `error: ${(error as Error).message}\nUsage: npm run demo [-- PATH] [--data FOLDER]\n`,
    );
    process.exitCode = 2;
    return undefined;
  }
}

const options = readOptions();
if (options !== undefined) {
  try {
    process.exitCode = (await runDemo(options)) ? 0 : 1;
  } catch (error) {
    process.stderr.write(`error: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}
