/**
 * What a tool's call costs in each tier, from a warm pool and cold:
 *
 *     npm run bench -- isolation [--calls 50]
 *
 * `warm`: a process or a spare stands ready, as it does when a model thinks between two calls. `directly after`: the call
 * after such a one, without a pause. `in a row`: one call after the other, so that sandboxes have to be started. `cold`: a
 * pool of its own for each call. Of the package as it is published, since each start of its sources costs Node the types in them. The
 * floor is the start of an empty Node. Figures are the least, the median and the 90th percentile in ms, and the median of the processor's
 * time that a call took this process, which other load on the machine does not change as much.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { ProcessPool, Tools } from '@opspawn/agentkit';
import { installCompiled } from './installed/compiled-packages.ts';
import { readArguments } from './measuring/read-arguments.ts';

interface Cost {
  elapsedMs: number;
  cpuMs: number;
}

/** Until a call need not wait for a process, as it is when a model has thought since the last one. */
async function warmUp(pool: ProcessPool): Promise<void> {
  const idle = () => pool.processes().filter(({ state }) => state === 'idle').length;
  while (idle() === 0 || idle() < pool.processes().length) await sleep(5);
  await sleep(20);
}

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

type Agentkit = typeof import('@opspawn/agentkit');

async function timeCall(
  { createToolManager }: Agentkit,
  processes: ProcessPool,
  tools: Tools,
): Promise<Cost> {
  const manager = createToolManager({ tools, processes });
  const call = { callId: 'c', tool: 'it', input: { n: 1 } };
  const prepared = await manager.prepare(call);
  if (!('execute' in prepared)) throw new Error(JSON.stringify(prepared));
  const { signal } = new AbortController();
  const [startedAt, cpuBefore] = [performance.now(), cpuMs()];
  await prepared.execute({ ...call, idempotencyKey: 'k', signal, progress: () => {} });
  return { elapsedMs: performance.now() - startedAt, cpuMs: cpuMs() - cpuBefore };
}

function show(what: string, costs: readonly Cost[]): void {
  const at = (share: number, of: keyof Cost): string => {
    const sorted = costs.map((cost) => cost[of]).sort((a, b) => a - b);
    return (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(2).padStart(7);
  };
  const [least, half, most] = [0, 0.5, 0.9].map((share) => at(share, 'elapsedMs'));
  const cpu = at(0.5, 'cpuMs');
  process.stdout.write(`${what.padEnd(24)} min ${least}   p50 ${half}   p90 ${most}   cpu p50 ${cpu} ms\n`);
}

export async function run(args: readonly string[]): Promise<void> {
  const calls = Number(readArguments(args, { calls: '50' }).calls);
  using installed = await installCompiled();
  const door = join(installed.path, 'node_modules', '@opspawn', 'agentkit', 'dist', 'index.js');
  const agentkit = (await import(pathToFileURL(door).href)) as Agentkit;
  const folder = mkdtempSync(join(tmpdir(), 'opspawn-bench-'));
  const file = join(folder, 'tool.mjs');
  writeFileSync(file, 'export default ({ n }) => n + 1;\n');
  const module = pathToFileURL(file);
  const shared = { description: 'Adds 1', input: { jsonSchema: { type: 'object' } } };
  for (const isolation of ['process', 'sandbox'] as const) {
    const tools: Tools = { it: { ...shared, isolation, module } };
    await using pool = agentkit.createProcessPool();
    await timeCall(agentkit, pool, tools);
    const [warm, after, inRow, cold]: Cost[][] = [[], [], [], []];
    for (let call = 0; call < calls; call += 1) {
      await warmUp(pool);
      warm?.push(await timeCall(agentkit, pool, tools));
      after?.push(await timeCall(agentkit, pool, tools));
    }
    for (let call = 0; call < calls; call += 1) inRow?.push(await timeCall(agentkit, pool, tools));
    for (let call = 0; call < Math.ceil(calls / 5); call += 1) {
      await using fresh = agentkit.createProcessPool();
      cold?.push(await timeCall(agentkit, fresh, tools));
    }
    show(`${isolation}, warm`, warm ?? []);
    show(`${isolation}, directly after`, after ?? []);
    show(`${isolation}, in a row`, inRow ?? []);
    show(`${isolation}, cold`, cold ?? []);
  }
  const floor = Array.from({ length: Math.ceil(calls / 5) }, () => {
    const [startedAt, cpuBefore] = [performance.now(), cpuMs()];
    spawnSync(process.execPath, ['-e', '0']);
    return { elapsedMs: performance.now() - startedAt, cpuMs: cpuMs() - cpuBefore };
  });
  show('an empty Node', floor);
  rmSync(folder, { recursive: true });
}
