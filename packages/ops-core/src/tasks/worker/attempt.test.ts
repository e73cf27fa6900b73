import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { OpspawnError } from '@opspawn/agentkit';
import { temporaryFolder } from '../../../test/opspawn.ts';
import type { Bus } from '../../broker/bus.ts';
import { openMemoryBus } from '../../broker/memory/bus.ts';
import { entry, item, post, submitAndClaim } from '../../storage/contract/scenario.ts';
import { interceptStore } from '../../storage/faults/intercept.ts';
import { openSqliteStore } from '../../storage/sqlite/database/open-store.ts';
import type { Store } from '../../storage/store.ts';
import { Attempt } from './attempt.ts';

const partsOf = (store: Store, { live }: Bus) => ({
  store,
  live,
  holdsLease: () => true,
  now: () => Date.now(),
  childTask: () => assert.fail('nobody asks for one'),
});

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
  const attempt = new Attempt({ ...partsOf(slowly, bus), task });
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

it('shows nothing that it has taken, though it was read before that was committed', async (t) => {
  await using store = await openSqliteStore({ path: join(temporaryFolder(t), 'opspawn.db') });
  await using bus = openMemoryBus();
  const task = await submitAndClaim(store);
  await post(store, task.taskId, item('signal', { key: 'signal:go' }));
  const before = await store.inbox(task.taskId);
  const attempt = new Attempt({
    ...partsOf(store, bus),
    store: interceptStore(store, (method, _, call) =>
      method === 'inbox' ? Promise.resolve(before) : call(),
    ),
    task,
  });
  await attempt.reloadInbox();
  const id = attempt.inbox()[0]?.id ?? assert.fail('nothing is there');
  await attempt.append([entry(1)], { takes: [id] });
  await attempt.reloadInbox();
  assert.deepEqual(attempt.inbox(), []);
});

it('is aborted for who asks for its signal after it was stopped', async (t) => {
  await using store = await openSqliteStore({ path: join(temporaryFolder(t), 'opspawn.db') });
  await using bus = openMemoryBus();
  const attempt = new Attempt({ ...partsOf(store, bus), task: await submitAndClaim(store) });
  const error = new OpspawnError('unavailable', 'stop');
  attempt.stop('shutdown', error);
  assert.equal(attempt.signal.reason, error);
});

it('begins no effect when a write shows that its time is over by the clock of the store', async (t) => {
  await using store = await openSqliteStore({ path: join(temporaryFolder(t), 'opspawn.db') });
  await using bus = openMemoryBus();
  const parts = partsOf(store, bus);
  const inTime = new Attempt({ ...parts, task: await submitAndClaim(store) });
  const late = new Attempt({ ...parts, task: await submitAndClaim(store, { attemptTimeoutMs: 1 }) });
  await new Promise((resolve) => setTimeout(resolve, 5));
  for (const attempt of [inTime, late]) await attempt.append([entry(1)]);
  assert.deepEqual([inTime.holdsLease(), late.holdsLease()], [true, false]);
});

it('begins no effect when its time was over before the answer to a write came, or since', async (t) => {
  await using store = await openSqliteStore({ path: join(temporaryFolder(t), 'opspawn.db') });
  await using bus = openMemoryBus();
  const standStill = () => new Promise((resolve) => setTimeout(resolve, 60));
  const slowly = interceptStore(store, async (_method, _arguments, call) => {
    const result = await call();
    await standStill();
    return result;
  });
  const task = () => submitAndClaim(store, { attemptTimeoutMs: 40 });
  const answeredLate = new Attempt({ ...partsOf(slowly, bus), task: await task() });
  await answeredLate.append([entry(1)]);
  assert.equal(answeredLate.holdsLease(), false);
  const stoodStill = new Attempt({ ...partsOf(store, bus), task: await task() });
  await stoodStill.append([entry(1)]);
  await standStill();
  assert.equal(stoodStill.holdsLease(), false);
});
