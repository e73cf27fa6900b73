/** What the durable runtime itself costs, over a journal in memory: µs per step live and in replay, and per task without steps. */
import { OpspawnError } from '@opspawn/agentkit';
import type { EntryRow } from '../packages/ops-core/src/storage/store.ts';
import { type Context, createContext } from '../packages/ops-core/src/tasks/durable/context.ts';
import type { Journal, TaskPort } from '../packages/ops-core/src/tasks/durable/port.ts';
import { runDurable } from '../packages/ops-core/src/tasks/durable/run-durable.ts';

const stepCounts = [20, 2_000, 10_000];
const stepsPerMeasurement = 40_000;
const taskCount = 200_000;
const tasksAtOnce = 100;

function memoryPort(journal: EntryRow[]): TaskPort {
  const { signal } = new AbortController();
  return {
    taskId: 'task',
    namespace: 'default',
    attempt: 1,
    createdAt: 0,
    lastSeq: journal.length,
    signal,
    isStopped: false,
    async append(entries) {
      for (const entry of entries) journal.push({ ...entry, attempt: 1, at: journal.length });
      return journal.length;
    },
    suspend: () => Promise.resolve(true),
    inbox: () => [],
    onInbox: () => {},
    now: () => journal.length,
    holdsLease: () => true,
    isWatched: () => false,
    emit: () => {},
    childTask: () => {
      throw new OpspawnError('not_found', 'There are no children here');
    },
    postEvidence: () => {},
  };
}

const run = (journal: EntryRow[], recorded: Journal, body: (ctx: Context) => unknown) =>
  runDurable(memoryPort(journal), recorded, (steps) => body(createContext(steps)), { mode: 'replay' });

const loop = (count: number) => async (ctx: Context) => {
  let sum = 0;
  for (let i = 0; i < count; i += 1) sum += await ctx.step('add', () => i);
  return sum;
};

async function timeMs(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

async function measureSteps(count: number): Promise<{ liveUs: number; replayUs: number; bytes: number }> {
  const rounds = Math.ceil(stepsPerMeasurement / count);
  let liveMs = 0;
  let replayMs = 0;
  let bytes = 0;
  for (let round = 0; round < rounds; round += 1) {
    const journal: EntryRow[] = [];
    liveMs += await timeMs(() => run(journal, [], loop(count)));
    const recorded = journal.slice();
    bytes = recorded.reduce((sum, { data = '' }) => sum + data.length, 0) / count;
    replayMs += await timeMs(() => run([], recorded, loop(count)));
  }
  const toUs = 1_000 / (rounds * count);
  return { liveUs: liveMs * toUs, replayUs: replayMs * toUs, bytes };
}

async function measureTasks(): Promise<number> {
  const body = async () => 1;
  const ms = await timeMs(async () => {
    for (let i = 0; i < taskCount; i += tasksAtOnce) {
      await Promise.all(Array.from({ length: tasksAtOnce }, () => run([], [], body)));
    }
  });
  return (ms * 1_000) / taskCount;
}

await measureSteps(2_000);
for (const count of stepCounts) {
  const { liveUs, replayUs, bytes } = await measureSteps(count);
  const columns = [
    `${count} steps`,
    `live ${liveUs.toFixed(2)} µs`,
    `replay ${replayUs.toFixed(2)} µs`,
    `data ${bytes.toFixed(0)} bytes`,
  ];
  process.stdout.write(`${columns.join('\t')}\n`);
}
process.stdout.write(`task without steps\t${(await measureTasks()).toFixed(2)} µs\n`);
