import assert from 'node:assert/strict';
import { newId } from '../../domain/new-id.ts';
import {
  claim,
  claimOnly,
  entry,
  finish,
  item,
  lost,
  newWorker,
  post,
  readyIds,
  type StoreCase,
  status,
  submit,
  submitAndClaim,
} from './scenario.ts';

export const workerCases: readonly StoreCase[] = [
  {
    promise: 'a lease that is renewed in time is kept, and one that ran out is gone for good',
    async run({ store, advance }) {
      const workerId = await newWorker(store, 1000);
      await advance(900);
      assert.equal(await store.renewLease(workerId, 1000), true);
      await advance(900);
      await submit(store);
      assert.equal((await claim(store, workerId)).length, 1);
      await advance(100);
      assert.equal(await store.renewLease(workerId, 1000), false);
      assert.equal(await store.renewLease(newId(), 1000), false);
    },
  },
  {
    promise: 'a worker’s id belongs to one process',
    async run({ store }) {
      const worker = { id: newId(), host: 'host', pid: 1, processStart: 'a', queues: [] };
      await store.registerWorker(worker, 1000);
      await store.registerWorker(worker, 1000);
      const other = { ...worker, processStart: 'b' };
      await assert.rejects(store.registerWorker(other, 1000), { code: 'invalid_argument' });
    },
  },
  {
    promise: 'the sweep makes ready what expired workers hold, and costs no retry',
    async run({ store, advance }) {
      const taskId = await submit(store);
      const kept = await submit(store, { queue: 'kept' });
      const [old] = await claim(store, await newWorker(store, 1000));
      const [safe] = await claim(store, await newWorker(store, 60_000), { queues: ['kept'] });
      assert.ok(old && safe);
      assert.equal(await store.sweep(10), 0);
      await advance(1000);
      assert.equal(await store.sweep(10), 1);
      const next = await claimOnly(store, taskId);
      assert.deepEqual([next.attempt, next.failures], [2, 0]);
      assert.deepEqual(await store.write({ op: 'append', owner: old, entries: [entry(1)] }), lost);
      assert.equal(await status(store, kept), 'running');
      assert.ok((await finish(store, safe)).ok);
    },
  },
  {
    promise: 'a sweep takes over no more than its limit, and the next one goes on',
    async run({ store, advance }) {
      for (let n = 0; n < 5; n += 1) await submit(store);
      await claim(store, await newWorker(store, 1000));
      await advance(1000);
      assert.deepEqual([await store.sweep(2), await store.sweep(2), await store.sweep(2)], [2, 2, 1]);
      assert.equal(await store.sweep(2), 0);
      assert.equal((await readyIds(store)).length, 5);
    },
  },
  {
    promise: 'an attempt beyond its deadline is taken over, whatever its worker’s lease says',
    async run({ store, advance }) {
      const slow = await submitAndClaim(store, { attemptTimeoutMs: 2000 });
      const patient = await submitAndClaim(store);
      await advance(2000);
      assert.equal(await store.sweep(0), 0);
      assert.equal(await store.sweep(10), 1);
      assert.deepEqual(await finish(store, slow), lost);
      assert.deepEqual(await readyIds(store), [slow.taskId]);
      assert.ok((await finish(store, patient)).ok);
    },
  },
  {
    promise: 'a pause that the owner did not live to take is heeded at the takeover',
    async run({ store, advance }) {
      const taskId = await submit(store);
      await claim(store, await newWorker(store, 1000));
      await post(store, taskId, item('pause'));
      await advance(1000);
      await store.sweep(10);
      assert.equal(await status(store, taskId), 'paused');
      assert.deepEqual(await readyIds(store), []);
    },
  },
  {
    promise: 'a worker that leaves gives back what it holds',
    async run({ store }) {
      const taskId = await submit(store);
      const workerId = await newWorker(store);
      await claim(store, workerId);
      await store.removeWorker(workerId);
      assert.deepEqual(await readyIds(store), [taskId]);
    },
  },
  {
    promise: 'a worker gives back what it holds without knowing: the answer to a claim was lost',
    async run({ store }) {
      const workerId = await newWorker(store);
      for (let n = 0; n < 3; n += 1) await submit(store);
      const [known, old, unheard] = await claim(store, workerId);
      assert.ok(known && old && unheard);
      const held = [known, { ...old, attempt: 0 }];
      assert.equal(await store.giveBackOthers(workerId, held), 2);
      assert.equal(await store.giveBackOthers(workerId, held), 0);
      assert.deepEqual((await readyIds(store)).sort(), [old.taskId, unheard.taskId].sort());
      assert.ok((await finish(store, known)).ok);
      assert.deepEqual(await finish(store, unheard), lost);
    },
  },
  {
    promise: 'definitions are listed by namespace, and the version that was registered last stands',
    async run({ store }) {
      const definition = {
        namespace: 'default',
        kind: 'agent',
        name: 'helper',
        version: '1',
        queue: 'default',
        data: '{"a":1}',
      } as const;
      const newer = { ...definition, version: '2', queue: 'fast', data: '{"a":2}' };
      const workflow = { ...definition, kind: 'workflow' as const };
      await store.registerDefinitions([definition, workflow, { ...definition, namespace: 'other' }]);
      await store.registerDefinitions([newer]);
      assert.deepEqual(await store.definitions('default'), [newer, workflow]);
      assert.deepEqual(await store.definitions('unknown'), []);
      await store.removeDefinitions('default');
      assert.deepEqual(await store.definitions('default'), []);
      assert.equal((await store.definitions('other')).length, 1);
    },
  },
];
