/**
 * Waiting tasks: what a process holds in memory for each agent that waits for its model, when thousands do at once.
 *
 *     npm run bench -- waiting-tasks [--tasks 10000] [--loops fetch,agentkit,opspawn]
 *
 * Resident memory, after a collection of garbage, above that of the same process when it is idle and has run as many tasks
 * before. The floor is as many `fetch`es that wait. `opspawn` is an embedded worker on SQLite; tasks in `waiting` (for a person, a
 * timer, a child) are in the database alone and cost no memory.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createModelRegistry, defineAgent } from '@opspawn/agentkit';
import { localPrincipal } from '@opspawn/ops-core';
import { startModelServer } from './agent-loop/start-model-server.ts';
import { serveContestant, startContestant } from './measuring/contestant.ts';
import { openEmbedded } from './measuring/embedded.ts';
import { readArguments } from './measuring/read-arguments.ts';
import { temporaryFolder } from './measuring/temporary-folder.ts';

interface Load {
  tasks: number;
}

interface Figures {
  idleMegabytes: number;
  kilobytesEach: number;
}

/** Runs so many at once; resolves when all have ended. */
type RunAtOnce = (tasks: number) => Promise<unknown>;
type Open = (modelUrl: string, capacity: number, stack: AsyncDisposableStack) => Promise<RunAtOnce>;

const prompt = 'How is the weather?';
const slow = defineAgent({ name: 'slow', instructions: 'You know the weather.', model: 'compatible/slow' });
const times = <T>(count: number, make: () => Promise<T>) => Promise.all(Array.from({ length: count }, make));

const loops: Readonly<Record<string, Open>> = {
  fetch: async (modelUrl) => {
    const body = JSON.stringify({ model: 'slow', messages: [{ role: 'user', content: prompt }] });
    const ask = async () => (await fetch(`${modelUrl}/chat/completions`, { method: 'POST', body })).json();
    return (tasks) => times(tasks, ask);
  },
  agentkit: async (modelUrl) => {
    const models = createModelRegistry({ environment: { AGENTKIT_LLM_BASE_URL: modelUrl } });
    return (tasks) => times(tasks, () => slow.run(prompt, { models }));
  },
  opspawn: async (modelUrl, capacity, stack) => {
    const folder = stack.use(temporaryFolder());
    let onFinished = (): void => {};
    const worker = await openEmbedded({
      folder: folder.path,
      environment: { AGENTKIT_LLM_BASE_URL: modelUrl },
      config: { agents: [slow] },
      capacity,
      onFinished: () => onFinished(),
    });
    stack.use(worker);
    return async (tasks) => {
      const all = Promise.withResolvers<void>();
      let left = tasks;
      onFinished = () => {
        left -= 1;
        if (left === 0) all.resolve();
      };
      const request = { kind: 'agent', name: 'slow', input: prompt } as const;
      const requests = Array.from({ length: tasks }, () => request);
      await worker.engine.submitMany(localPrincipal, requests);
      await all.promise;
    };
  },
};

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

async function residentBytes(): Promise<number> {
  for (let time = 0; time < 3; time += 1) {
    collectGarbage();
    await sleep(200);
  }
  return process.memoryUsage.rss();
}

/** Runs the tasks, calls `meanwhile` when all wait, and has them answered. */
async function whileWaiting(modelUrl: string, tasks: number, run: RunAtOnce, meanwhile: () => Promise<void>) {
  const running = run(tasks);
  while ((await (await fetch(`${modelUrl}/waiting`)).json()) !== tasks) await sleep(50);
  await meanwhile();
  await fetch(`${modelUrl}/answer`, { method: 'POST' });
  await running;
}

async function serve(name: string, modelUrl: string): Promise<void> {
  const open = loops[name];
  if (open === undefined) throw new Error(`There is no loop ${name}`);
  await using stack = new AsyncDisposableStack();
  await serveContestant<Load>(async ({ tasks }): Promise<Figures> => {
    const run = await open(modelUrl, tasks, stack);
    await whileWaiting(modelUrl, Math.ceil(tasks / 10), run, async () => {});
    const idle = await residentBytes();
    let busy = 0;
    await whileWaiting(modelUrl, tasks, run, async () => {
      busy = await residentBytes();
    });
    return { idleMegabytes: idle / 1e6, kilobytesEach: (busy - idle) / tasks / 1000 };
  });
}

export async function run(args: readonly string[]): Promise<void> {
  const values = readArguments(args, {
    tasks: '10000',
    loops: Object.keys(loops).join(','),
    only: '',
    url: '',
  });
  if (values.only !== '') return await serve(values.only, values.url);
  for (const name of values.loops.split(',')) {
    await using server = await startModelServer('silent-server');
    await using contestant = startContestant('waiting-tasks', ['--only', name, '--url', server.url]);
    const { idleMegabytes, kilobytesEach } = await contestant.measure<Figures>({
      tasks: Number(values.tasks),
    });
    process.stdout.write(
      `${name.padEnd(10)} idle ${idleMegabytes.toFixed(0)} MB, each of ${values.tasks} waiting ${kilobytesEach.toFixed(1)} KB\n`,
    );
  }
}
