import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { attemptTimeoutMs, finish, newTask, newWorker } from '../../storage/contract/scenario.ts';
import { openSqliteStore } from '../../storage/sqlite/database/open-store.ts';
import type { ClaimedTask } from '../../storage/store.ts';
import { type Charge, FairShare, type Weights } from './fair-share.ts';

interface Crowd {
  namespace: string;
  queue?: string;
  count: number;
  /** What each of its tasks takes. */
  taskMs: number;
  /** When it is submitted. */
  atMs?: number;
}

interface Run {
  capacity: number;
  crowds: readonly Crowd[];
  weights?: Record<string, number>;
  forMs: number;
}

const weightsFrom = (said: Record<string, number>): Weights => ({
  namespace: (namespace) => said[namespace] ?? 1,
  queue: (namespace, queue) => said[`${namespace}/${queue}`] ?? 1,
  said: () => [],
});

/** A worker on a real store whose tasks take the time they are said to, on a clock of its own. */
async function runWorker(t: TestContext, { capacity, crowds, weights = {}, forMs }: Run) {
  const store = await openSqliteStore({ path: ':memory:' });
  t.after(() => store[Symbol.asyncDispose]());
  const workerId = await newWorker(store);
  const fairShare = new FairShare(weightsFrom(weights));
  const queues = [...new Set(crowds.map(({ queue = 'default' }) => queue))];
  const waiting = [...crowds].sort((a, b) => (a.atMs ?? 0) - (b.atMs ?? 0));
  const running: { task: ClaimedTask; charge: Charge; endsAt: number }[] = [];
  const slotMs = new Map<string, number>();
  const ended: { lane: string; at: number }[] = [];
  const laneOf = ({ namespace, queue = 'default' }: { namespace: string; queue?: string }) =>
    `${namespace}/${queue}`;
  const taskMs = new Map(crowds.map((crowd) => [laneOf(crowd), crowd.taskMs]));
  for (let now = 0; now < forMs; ) {
    while (waiting[0] !== undefined && (waiting[0].atMs ?? 0) <= now) {
      const { namespace, queue = 'default', count } = waiting.shift() as Crowd;
      await store.submitMany(Array.from({ length: count }, () => newTask({ namespace, queue })));
    }
    const limit = capacity - running.length;
    const request = { workerId, queues, limit, attemptTimeoutMs, shares: fairShare.shares(now) };
    const tasks = limit === 0 ? [] : await store.claim(request);
    const charges = fairShare.startedTogether(tasks, now);
    for (const [index, task] of tasks.entries())
      running.push({ task, charge: charges[index] as Charge, endsAt: now + (taskMs.get(laneOf(task)) ?? 0) });
    const next = Math.min(
      ...running.map(({ endsAt }) => endsAt),
      waiting[0]?.atMs ?? Number.POSITIVE_INFINITY,
    );
    if (!Number.isFinite(next)) break;
    const until = Math.min(next, forMs);
    for (const { task } of running) {
      const lane = laneOf(task);
      slotMs.set(lane, (slotMs.get(lane) ?? 0) + until - now);
    }
    now = until;
    for (const done of running.filter(({ endsAt }) => endsAt <= now)) {
      running.splice(running.indexOf(done), 1);
      fairShare.ended(done.task, done.charge, now);
      await finish(store, done.task);
      ended.push({ lane: laneOf(done.task), at: now });
    }
  }
  const whole = [...slotMs.values()].reduce((sum, ms) => sum + ms, 0);
  return { ended, share: (lane: string) => (slotMs.get(lane) ?? 0) / whole };
}

const near = (actual: number, wanted: number, by = 0.07): void =>
  assert.ok(Math.abs(actual - wanted) <= by, `${actual.toFixed(3)} is not ${wanted}`);

describe('the fair share of a worker', () => {
  it('lets ten tasks pass that are submitted behind thousands of another namespace', async (t) => {
    const { ended } = await runWorker(t, {
      capacity: 10,
      crowds: [
        { namespace: 'many', count: 3000, taskMs: 20 },
        { namespace: 'few', count: 10, taskMs: 20, atMs: 500 },
      ],
      forMs: 1_000,
    });
    const last = ended.filter(({ lane }) => lane === 'few/default');
    assert.equal(last.length, 10);
    assert.ok((last.at(-1)?.at ?? 0) <= 560, `the last one ended at ${last.at(-1)?.at}`);
  });

  it('shares with one slot only as well', async (t) => {
    const { share } = await runWorker(t, {
      capacity: 1,
      crowds: [
        { namespace: 'a', count: 200, taskMs: 10 },
        { namespace: 'b', count: 200, taskMs: 10 },
      ],
      weights: { a: 3 },
      forMs: 1_000,
    });
    near(share('a/default'), 0.75, 0.02);
  });

  it('shares time in slots and not starts: long tasks get no more of it than short ones', async (t) => {
    const { share } = await runWorker(t, {
      capacity: 20,
      crowds: [
        { namespace: 'long', count: 500, taskMs: 3_000 },
        { namespace: 'short', count: 9000, taskMs: 50 },
      ],
      forMs: 30_000,
    });
    near(share('long/default'), 0.5);
  });

  it('gives each namespace and, within it, each queue what its weight says', async (t) => {
    const { share } = await runWorker(t, {
      capacity: 12,
      crowds: [
        { namespace: 'a', queue: 'x', count: 900, taskMs: 20 },
        { namespace: 'a', queue: 'y', count: 900, taskMs: 20 },
        { namespace: 'b', queue: 'x', count: 900, taskMs: 20 },
      ],
      weights: { b: 2, 'a/x': 4 },
      forMs: 1_000,
    });
    near(share('b/x'), 2 / 3, 0.03);
    near(share('a/x'), 4 / 15, 0.03);
    near(share('a/y'), 1 / 15, 0.03);
  });

  it('gives no credit to who had nothing to do', async (t) => {
    const { share } = await runWorker(t, {
      capacity: 4,
      crowds: [
        { namespace: 'early', count: 3000, taskMs: 10 },
        { namespace: 'late', count: 3000, taskMs: 10, atMs: 2_000 },
      ],
      forMs: 4_000,
    });
    near(share('late/default'), 0.25, 0.02);
  });
});
