import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { call, hostOf, smallServer, type TestHost } from '../../test/mcp/hosting.ts';
import { until } from '../../test/mcp/processes.ts';
import { OpspawnError } from '../errors.ts';
import type { Tools } from '../tool/tool.ts';

/** A hundred servers with a hundred restarts each: OPSPAWN_TEST_SCALE=17. */
const scale = Number(process.env.OPSPAWN_TEST_SCALE ?? 1);
const servers = Math.max(2, Math.round(6 * scale));
const restarts = Math.max(2, Math.round(6 * scale));
const maxGrowthMb = 20;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function heapMb(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed / 1024 / 1024;
}

/** Groups of processes of which some still run. */
function runningGroups(of: ReadonlySet<number>): number[] {
  const listing = execFileSync('ps', ['-A', '-o', 'pgid=,stat='], { encoding: 'utf8' });
  const groups = listing.split('\n').map((line) => line.trim().split(/\s+/));
  return groups.flatMap(([group, stat]) =>
    of.has(Number(group)) && !stat?.startsWith('Z') ? [Number(group)] : [],
  );
}

interface Tally {
  made: number;
  answered: number;
  failed: number;
  readonly groups: Set<number>;
}

/** Kills the server in the midst of a call, again and again; another call is made while it is being started anew. */
async function torment(host: TestHost, tools: Tools, name: string, tally: Tally): Promise<void> {
  const make = async (tool: string): Promise<void> => {
    tally.made += 1;
    try {
      assert.equal(await call(tools, `${name}__${tool}`), 'worked');
      tally.answered += 1;
    } catch (thrown) {
      assert.ok(thrown instanceof OpspawnError && thrown.code === 'mcp_failed', String(thrown));
      tally.failed += 1;
    }
  };
  const pidOf = (): number | undefined => host.status().find((server) => server.name === name)?.pid;
  for (let round = 0; round < restarts; round += 1) {
    await make('work');
    const pid = pidOf();
    assert.ok(pid);
    tally.groups.add(pid);
    const hanging = make('hang');
    await sleep(1);
    process.kill(pid, 'SIGKILL');
    await Promise.all([hanging, make('work')]);
  }
}

describe('many MCP servers that are killed again and again', { timeout: 1_800_000 }, () => {
  it('lose no call without an error, leave no process, and cost no memory for good', async () => {
    const names = Array.from({ length: servers }, (_, index) => `s${index}`);
    const tally: Tally = { made: 0, answered: 0, failed: 0, groups: new Set() };
    {
      const patient = {
        ...smallServer,
        restart: { initialDelayMs: 1, maxDelayMs: 5, maxAttempts: 1_000_000 },
      };
      await using host = hostOf(Object.fromEntries(names.map((name) => [name, patient])));
      const tools = await host.tools(names);
      const before = heapMb();
      await Promise.all(names.map((name) => torment(host, tools, name, tally)));
      host.log.length = 0;
      const growthMb = heapMb() - before;
      assert.ok(growthMb < maxGrowthMb, `${growthMb} MB more`);
      for (const { pid } of host.status()) if (pid !== undefined) tally.groups.add(pid);
    }
    assert.equal(tally.made, servers * restarts * 3);
    assert.equal(tally.answered + tally.failed, tally.made, 'each call has an outcome');
    assert.ok(
      tally.answered >= servers * restarts && tally.failed >= servers * restarts,
      JSON.stringify(tally),
    );
    assert.ok(tally.groups.size >= servers * restarts);
    await until(() => runningGroups(tally.groups).length === 0);
  });
});
