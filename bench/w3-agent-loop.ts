/**
 * W3, agent loop: an agent of 20 model steps with 19 tool calls, against an OpenAI-compatible server on loopback that
 * answers at once, in a process of its own.
 *
 *     npm run bench -- w3-agent-loop [--turns 15] [--loops fetch,ai-sdk,agentkit,opspawn,opspawn-postgres]
 *
 * Milliseconds per model step, alone (one run after the other), alone in runs of 200 steps, and with 50 runs at once;
 * `200 to 20`: how much more a step costs in runs of 200 steps than in those of 20 just before; then what a run of 20 and
 * of 200 steps keeps on disk. Nothing streams. Each loop has a process and a file of its own, which are warmed up and then
 * measured in turns, one loop after the other, so that what slows the machine down for a while slows all of them.
 * `no requests` is agentkit with a model in its own process: whether the loop itself grows with the history, as requests
 * do. Each figure is a median over the turns; so is each ratio, which is to the AI SDK's `ToolLoopAgent` of the same
 * turn, which records nothing.
 */

import { services } from '../scripts/services/kinds.ts';
import { startServices } from '../scripts/services.ts';
import { type AgentLoop, lastAnswer, type OpenAgentLoop } from './agent-loop/agent-loop.ts';
import { startModelServer } from './agent-loop/start-model-server.ts';
import { type Contestant, serveContestant, startContestant } from './measuring/contestant.ts';
import { installPeers } from './measuring/install-peers.ts';
import { newDatabase } from './measuring/new-database.ts';
import { readArguments } from './measuring/read-arguments.ts';
import { median, medianRatio } from './measuring/statistics.ts';
import { temporaryFolder } from './measuring/temporary-folder.ts';

/** Loaded by the process that measures it. */
const loops: Readonly<Record<string, () => Promise<OpenAgentLoop>>> = {
  fetch: async () => (await import('./agent-loop/fetch-floor.ts')).fetchFloor,
  'fetch+journal': async () => (await import('./agent-loop/fetch-floor.ts')).fetchJournalFloor,
  'ai-sdk': async () => {
    // Computed, so that types are checked where the peer is not installed.
    const module = new URL('agent-loop/ai-sdk.mjs', import.meta.url).href;
    return ((await import(module)) as { aiSdk: OpenAgentLoop }).aiSdk;
  },
  agentkit: async () => (await import('./agent-loop/agentkit.ts')).agentkit,
  'no requests': async () => (await import('./agent-loop/agentkit.ts')).agentkitInProcess,
  opspawn: async () => (await import('./agent-loop/opspawn.ts')).opspawn,
  'opspawn-postgres': async () => (await import('./agent-loop/opspawn.ts')).opspawn,
  'opspawn-once': async () => (await import('./agent-loop/opspawn.ts')).opspawnOnce,
};
const peer = 'ai-sdk';
const onPostgres = 'opspawn-postgres';

interface Load {
  steps: number;
  /** Runs at once. */
  width: number;
  /** One after the other. */
  times: number;
}

interface Figures {
  msPerStep: number;
  /** Of this process, in ms. */
  cpuPerStep: number;
  /** On disk, per run. */
  storedBytes: number;
}

const loads = {
  alone: { steps: 20, width: 1, times: 10 },
  long: { steps: 200, width: 1, times: 1 },
  fifty: { steps: 20, width: 50, times: 1 },
} as const satisfies Record<string, Load>;
type LoadName = keyof typeof loads;

async function runOnce(loop: AgentLoop, steps: number): Promise<void> {
  const answer = await loop.run(steps);
  if (answer !== lastAnswer(steps)) throw new Error(`The run ended with ${JSON.stringify(answer)}`);
}

async function measure(loop: AgentLoop, { steps, width, times }: Load): Promise<Figures> {
  const bytesBefore = loop.storedBytes?.() ?? 0;
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  for (let time = 0; time < times; time += 1) {
    await Promise.all(Array.from({ length: width }, () => runOnce(loop, steps)));
  }
  const msPerStep = (performance.now() - startedAt) / (times * width * steps);
  const { user, system } = process.cpuUsage(cpuBefore);
  const cpuPerStep = (user + system) / 1000 / (times * width * steps);
  const storedBytes = ((loop.storedBytes?.() ?? 0) - bytesBefore) / (times * width);
  return { msPerStep, cpuPerStep, storedBytes };
}

async function serve(name: string, modelUrl: string, databaseUrl: string): Promise<void> {
  const open = await loops[name]?.();
  if (open === undefined) throw new Error(`There is no loop ${name}`);
  using folder = temporaryFolder();
  await using loop = await open({ modelUrl, folder: folder.path, databaseUrl });
  await serveContestant<Load>((load) => measure(loop, load));
}

type Turns = Record<LoadName, Figures[]>;

async function takeTurns(
  contestants: ReadonlyMap<string, Contestant>,
  turns: number,
): Promise<Map<string, Turns>> {
  const warmUps: readonly Load[] = [
    { ...loads.fifty, times: 3 },
    { ...loads.long, times: 3 },
    { ...loads.alone, times: 20 },
  ];
  for (const load of warmUps) for (const contestant of contestants.values()) await contestant.measure(load);
  const taken = new Map(
    [...contestants.keys()].map((name): [string, Turns] => [name, { alone: [], fifty: [], long: [] }]),
  );
  for (let turn = 0; turn < turns; turn += 1) {
    for (const [name, contestant] of contestants) {
      for (const load of Object.keys(loads) as LoadName[]) {
        taken.get(name)?.[load].push(await contestant.measure<Figures>(loads[load]));
      }
    }
  }
  return taken;
}

const wall = ({ msPerStep }: Figures): number => msPerStep;
const cpu = ({ cpuPerStep }: Figures): number => cpuPerStep;

const stored = (figures: readonly Figures[]): string =>
  `${(figures.reduce((sum, { storedBytes }) => sum + storedBytes, 0) / figures.length / 1000).toFixed(1)} KB`;

function report(taken: ReadonlyMap<string, Turns>): void {
  const peers = taken.get(peer);
  const rows = [...taken].map(([name, turns]) => {
    const cell = (load: LoadName, figure: typeof wall): string => {
      const values = turns[load].map(figure);
      const ratio = medianRatio(values, peers?.[load].map(figure) ?? []);
      return `${median(values).toFixed(2)} (${ratio.toFixed(2)})`;
    };
    const cells = (Object.keys(loads) as LoadName[]).map((load) => cell(load, wall));
    const growth = medianRatio(turns.long.map(wall), turns.alone.map(wall)).toFixed(2);
    return [name, ...cells, cell('fifty', cpu), growth, `${stored(turns.alone)} / ${stored(turns.long)}`];
  });
  const title = [
    'ms per step',
    'alone',
    '200 steps',
    '50 at once',
    'CPU of 50',
    '200 to 20',
    'stored per run of 20 / 200',
  ];
  for (const [name, ...cells] of [title, ...rows]) {
    process.stdout.write(`${name?.padEnd(18)}${cells.map((cell) => cell.padEnd(15)).join('')}\n`);
  }
}

/** The URL of an empty database. */
async function openPostgres(stack: AsyncDisposableStack): Promise<string> {
  const started = await startServices(['postgres'], (message) => {
    throw new Error(message);
  });
  stack.use(started);
  return stack.use(await newDatabase(started.variables[services.postgres.variable] ?? '')).name;
}

export async function run(args: readonly string[]): Promise<void> {
  const values = readArguments(args, {
    turns: '15',
    loops: Object.keys(loops).join(','),
    only: '',
    url: '',
    database: '',
  });
  if (values.only !== '') return await serve(values.only, values.url, values.database);
  installPeers();
  await using server = await startModelServer();
  await using stack = new AsyncDisposableStack();
  const names = values.loops.split(',');
  const database = names.includes(onPostgres) ? await openPostgres(stack) : '';
  const contestants = new Map(
    names.map((name): [string, Contestant] => {
      const place = ['--url', server.url, ...(name === onPostgres ? ['--database', database] : [])];
      return [name, stack.use(startContestant('w3-agent-loop', ['--only', name, ...place]))];
    }),
  );
  report(await takeTurns(contestants, Number(values.turns)));
}
