import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ClaimedTask } from '../../storage/store.ts';
import { ClaimLoop } from './claim-loop.ts';

const task = (index: number) => ({ taskId: String(index) }) as ClaimedTask;

/** A loop over so many ready tasks and free slots. */
function loopOver(ready: number, free: number, restMs = 0) {
  const seen = { started: [] as string[], limits: [] as number[], empty: 0, errors: 0 };
  const state = { ready: Array.from({ length: ready }, (_, index) => task(index)), free, isBroken: false };
  const loop = new ClaimLoop({
    free: () => state.free,
    restMs: () => restMs,
    async claim(limit) {
      seen.limits.push(limit);
      if (state.isBroken) throw new Error('no store');
      return state.ready.splice(0, limit);
    },
    start({ taskId }) {
      seen.started.push(taskId);
      state.free -= 1;
    },
    onError: () => {
      seen.errors += 1;
    },
    onEmpty: () => {
      seen.empty += 1;
    },
  });
  return { loop, seen, state };
}

async function turns(count = 10): Promise<void> {
  for (let i = 0; i < count; i += 1) await nextTurn();
}

describe('the claim loop', () => {
  it('sleeps until it is woken, and after a claim that was not full', async () => {
    const { loop, seen } = loopOver(3, 10);
    await turns();
    assert.deepEqual(seen.limits, []);
    void loop.wake();
    void loop.wake();
    await turns();
    assert.deepEqual([seen.limits, seen.started.length], [[10], 3]);
  });

  it('goes on while claims come back full, at most 200 at once', async () => {
    const { loop, seen } = loopOver(450, 1000);
    void loop.wake();
    await turns();
    assert.deepEqual([seen.limits, seen.started.length], [[200, 200, 200], 450]);
  });

  it('remembers that it was woken until slots are free, and claims for all that were freed in a turn', async () => {
    const { loop, seen, state } = loopOver(5, 0);
    void loop.wake();
    await turns();
    assert.deepEqual(seen.limits, []);
    for (let i = 0; i < 2; i += 1) {
      state.free += 1;
      loop.slotFreed();
    }
    await turns();
    assert.deepEqual([seen.limits, seen.started], [[2], ['0', '1']]);
  });

  it('says when nothing was there, and survives a store that fails', async () => {
    const { loop, seen, state } = loopOver(0, 1);
    void loop.wake();
    await turns();
    state.isBroken = true;
    void loop.wake();
    await turns();
    state.isBroken = false;
    void loop.wake();
    await turns();
    assert.deepEqual([seen.empty, seen.errors], [2, 1]);
  });

  it('begins tasks outside of the context of the task that woke it', async () => {
    const context = new AsyncLocalStorage<string>();
    const contexts: (string | undefined)[] = [];
    const loop = new ClaimLoop({
      free: () => 1,
      claim: async () => (contexts.length === 0 ? [task(1)] : []),
      start: () => void contexts.push(context.getStore()),
      onError: (error) => assert.fail(String(error)),
      onEmpty: () => {},
    });
    context.run('another task', () => void loop.wake());
    await turns();
    assert.deepEqual(contexts, [undefined]);
  });

  it('tells who woke it when the next claim has ended, and whether there may be more', async () => {
    const { loop, state } = loopOver(3, 2);
    const first = loop.wake();
    assert.equal(loop.wake(), first);
    assert.equal(await first, true);
    state.free = 2;
    assert.equal(await loop.wake(), false);
    state.isBroken = true;
    assert.equal(await loop.wake(), false);
  });

  it('starts nothing after it was stopped', async () => {
    const { loop, seen } = loopOver(5, 5);
    void loop.wake();
    await loop.stop();
    void loop.wake();
    await turns();
    assert.deepEqual(seen.started, []);
  });

  it('has slots to spare while the latest claim took all that there was, but for those that a claim may fill', async () => {
    const { loop, seen, state } = loopOver(12, 10);
    assert.equal(loop.spare, 0);
    void loop.wake();
    await turns();
    // Ten came, which was all that it asked for; two wait for a slot.
    assert.deepEqual([seen.limits, seen.started.length, loop.spare], [[10], 10, 0]);
    state.free = 8;
    loop.slotFreed();
    await turns();
    assert.deepEqual([seen.limits, state.free, loop.spare], [[10, 8], 6, 6]);
    void loop.wake();
    assert.equal(loop.spare, 5);
    state.free = 1;
    assert.equal(loop.spare, 0);
    state.free = 6;
    await turns();
    assert.deepEqual([seen.limits, loop.spare], [[10, 8, 3], 6]);
    state.isBroken = true;
    void loop.wake();
    await turns();
    assert.equal(loop.spare, 0);
  });

  it('lets others go first when it is told to', async () => {
    const { loop, seen } = loopOver(1, 1, 500);
    const woken = loop.wake();
    await turns(2);
    assert.deepEqual(seen.limits, []);
    await woken;
    assert.deepEqual(seen.started, ['0']);
  });
});
