import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { temporaryFolder } from '../../../test/opspawn.ts';
import { openMemoryBus } from '../../broker/memory/bus.ts';
import { entry, item, post, submitAndClaim } from '../../storage/contract/scenario.ts';
import { interceptStore } from '../../storage/faults/intercept.ts';
import { openSqliteStore } from '../../storage/sqlite/database/open-store.ts';
import { Attempt } from './attempt.ts';

it('an inbox that is read late does not hide what a later read has brought', async (t) => {
  await using store = await openSqliteStore({ path: join(temporaryFolder(t), 'opspawn.db') });
  await using bus = openMemoryBus();
  const task = await submitAndClaim(store);
  const held = Promise.withResolvers<void>();
  let reads = 0;
  const slowly = interceptStore(store, async (method, _, call) => {
    const isFirst = method === 'inbox' && ++reads === 1;
    const result = await call();
    if (isFirst) await held.promise;
    return result;
  });
  const attempt = new Attempt({
    task,
    store: slowly,
    live: bus.live,
    holdsLease: () => true,
    now: () => Date.now(),
    childTask: () => assert.fail('nobody asks for one'),
  });
  const early = attempt.reloadInbox();
  await post(store, task.taskId, item('signal', { key: 'signal:go' }));
  await attempt.reloadInbox();
  held.resolve();
  await early;
  assert.deepEqual(
    attempt.inbox().map(({ key }) => key),
    ['signal:go'],
  );
});

it('begins no effect when a write shows that its time is over by the clock of the store', async (t) => {
  await using store = await openSqliteStore({ path: join(temporaryFolder(t), 'opspawn.db') });
  await using bus = openMemoryBus();
  const parts = {
    store,
    live: bus.live,
    holdsLease: () => true,
    now: () => Date.now(),
    childTask: () => assert.fail('nobody asks for one'),
  };
  const inTime = new Attempt({ ...parts, task: await submitAndClaim(store) });
  const late = new Attempt({ ...parts, task: await submitAndClaim(store, { attemptTimeoutMs: 1 }) });
  await new Promise((resolve) => setTimeout(resolve, 5));
  for (const attempt of [inTime, late]) await attempt.append([entry(1)]);
  assert.deepEqual([inTime.holdsLease(), late.holdsLease()], [true, false]);
});
