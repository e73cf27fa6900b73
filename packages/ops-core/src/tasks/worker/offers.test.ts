import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, it } from 'node:test';
import type { ClaimedTask } from '../../storage/store.ts';
import { Offers } from './offers.ts';

const task = { taskId: 'a' } as ClaimedTask;

function offers() {
  const seen = { begun: [] as string[], unclear: 0 };
  const made = new Offers({
    attemptTimeoutMs: 1,
    begin: ({ taskId }) => seen.begun.push(taskId),
    onUnclear: () => {
      seen.unclear += 1;
    },
  });
  return { made, seen };
}

describe('offers of a worker', () => {
  it('hold a slot until the task has begun, and mean one task only', () => {
    const { made, seen } = offers();
    const offer = made.make('worker');
    assert.equal(made.pending, 1);
    offer.begin(task);
    offer.begin(task);
    offer.end(true);
    assert.deepEqual([made.pending, seen], [0, { begun: ['a'], unclear: 0 }]);
  });

  it('tell when it is not known what came of one', () => {
    const { made, seen } = offers();
    made.make('worker').end(false);
    made.make('worker').end(true);
    assert.deepEqual([made.pending, seen], [0, { begun: [], unclear: 1 }]);
  });

  it('can be waited for', async () => {
    const { made } = offers();
    await made.settled();
    const [a, b] = [made.make('worker'), made.make('worker')];
    let isSettled = false;
    const settling = made.settled().then(() => {
      isSettled = true;
    });
    a.end(false);
    await new Promise(setImmediate);
    assert.equal(isSettled, false);
    b.begin(task);
    await settling;
  });

  it('begin tasks outside of the context of the task that submits them', () => {
    const context = new AsyncLocalStorage<string>();
    const contexts: (string | undefined)[] = [];
    const made = new Offers({
      attemptTimeoutMs: 1,
      begin: () => contexts.push(context.getStore()),
      onUnclear: () => {},
    });
    context.run('another task', () => made.make('worker').begin(task));
    assert.deepEqual(contexts, [undefined]);
  });
});
