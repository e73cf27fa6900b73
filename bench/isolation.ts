/**
 * What a tool's call costs in each tier, from a warm pool and cold:
 *
 *     npm run bench -- isolation [--calls 50]
 *
 * `warm`: a process or a spare stands ready, as it does when a model thinks between two calls. `in a row`: the next call
 * comes at once, so that a sandbox has to be started for it. `cold`: a pool of its own for each call. The floor is the
 * start of an empty Node. Figures are the median and the 90th percentile, in ms.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { createProcessPool, createToolManager, type ProcessPool, type Tools } from '@opspawn/agentkit';
import { readArguments } from './measuring/read-arguments.ts';

/** As long as a fast model takes to answer. */
const thinkingMs = 400;

async function timeCall(processes: ProcessPool, tools: Tools): Promise<number> {
  const manager = createToolManager({ tools, processes });
  const call = { callId: 'c', tool: 'it', input: { n: 1 } };
  const prepared = await manager.prepare(call);
  if (!('execute' in prepared)) throw new Error(JSON.stringify(prepared));
  const { signal } = new AbortController();
  const startedAt = performance.now();
  await prepared.execute({ ...call, idempotencyKey: 'k', signal, progress: () => {} });
  return performance.now() - startedAt;
}

function show(what: string, times: number[]): void {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(2);
  process.stdout.write(`${what.padEnd(24)} p50 ${at(0.5)} ms   p90 ${at(0.9)} ms\n`);
}

export async function run(args: readonly string[]): Promise<void> {
  const calls = Number(readArguments(args, { calls: '50' }).calls);
  const folder = mkdtempSync(join(tmpdir(), 'opspawn-bench-'));
  const file = join(folder, 'tool.mjs');
  writeFileSync(file, 'export default ({ n }) => n + 1;\n');
  const module = pathToFileURL(file);
  const shared = { description: 'Adds 1', input: { jsonSchema: { type: 'object' } } };
  for (const isolation of ['process', 'sandbox'] as const) {
    const tools: Tools = { it: { ...shared, isolation, module } };
    await using pool = createProcessPool();
    await timeCall(pool, tools);
    const [warm, inRow, cold]: number[][] = [[], [], []];
    for (let call = 0; call < calls; call += 1) {
      await sleep(thinkingMs);
      warm?.push(await timeCall(pool, tools));
    }
    for (let call = 0; call < calls; call += 1) inRow?.push(await timeCall(pool, tools));
    for (let call = 0; call < Math.ceil(calls / 5); call += 1) {
      await using fresh = createProcessPool();
      cold?.push(await timeCall(fresh, tools));
    }
    show(`${isolation}, warm`, warm ?? []);
    show(`${isolation}, in a row`, inRow ?? []);
    show(`${isolation}, cold`, cold ?? []);
  }
  const floor = Array.from({ length: Math.ceil(calls / 5) }, () => {
    const startedAt = performance.now();
    spawnSync(process.execPath, ['-e', '0']);
    return performance.now() - startedAt;
  });
  show('an empty Node', floor);
  rmSync(folder, { recursive: true });
}
