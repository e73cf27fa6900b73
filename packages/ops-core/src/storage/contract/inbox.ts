import assert from 'node:assert/strict';
import { newId } from '../../domain/new-id.ts';
import {
  claimOnly,
  entry,
  finish,
  item,
  namespace,
  post,
  readyIds,
  type StoreCase,
  status,
  submit,
  submitAndClaim,
  suspend,
  task,
  wait,
} from './scenario.ts';

const awakened = { ok: false, reason: 'awakened' };

export const inboxCases: readonly StoreCase[] = [
  {
    promise: 'a suspended task is waiting, shows what for, and is not claimed',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const dueAt = (await store.now()) + 60_000;
      const waits = [
        wait({
          step: 'b',
          hash: 'h2',
          kind: 'approval',
          name: 'refund',
          key: 'decision:h2',
          data: '{"a":1}',
        }),
        wait({ step: 'a', hash: 'h1', kind: 'sleep', name: 'sleep', dueAt }),
      ];
      const entries = [entry(1, { type: 'wait.opened' })];
      assert.ok((await store.write({ op: 'suspend', owner, entries, waits })).ok);
      const row = await task(store, owner.taskId);
      assert.deepEqual([row.status, row.waits, row.dueAt, row.lastSeq], ['waiting', waits, dueAt, 1]);
      assert.deepEqual(await readyIds(store), []);
    },
  },
  {
    promise: 'a post wakes a task that waits for its key, and no other',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      await suspend(store, owner, [wait({ key: 'signal:go' }), wait({ key: 'decision:x' })]);
      const other = item('signal', { key: 'signal:other' });
      assert.deepEqual(await post(store, owner.taskId, other), { ok: true });
      assert.equal(await status(store, owner.taskId), 'waiting');
      const go = item('signal', { key: 'signal:go', data: '{"a":1}' });
      assert.deepEqual(await post(store, owner.taskId, go), { ok: true });
      assert.equal(await status(store, owner.taskId), 'pending');
      assert.deepEqual((await task(store, owner.taskId)).waits, []);
      const next = await claimOnly(store, owner.taskId);
      assert.deepEqual([next.hasInbox, next.failures], [true, 0]);
      assert.deepEqual(
        (await store.inbox(owner.taskId)).map(({ at: _, ...rest }) => rest),
        [other, go],
      );
    },
  },
  {
    promise: 'inboxes that are read at the same time are told apart, each in the order of its posts',
    async run({ store }) {
      const owners = [await submitAndClaim(store), await submitAndClaim(store), await submitAndClaim(store)];
      const [first, second] = owners;
      for (const key of ['b', 'a', 'c'])
        for (const owner of [second, first]) await post(store, owner?.taskId ?? '', item('signal', { key }));
      const taskIds = [...owners, first].map((owner) => owner?.taskId ?? '');
      const inboxes = await Promise.all([...taskIds, 'no id'].map((taskId) => store.inbox(taskId)));
      const keys = inboxes.map((rows) => rows.map(({ key }) => key));
      assert.deepEqual(keys, [['b', 'a', 'c'], ['b', 'a', 'c'], [], ['b', 'a', 'c'], []]);
      assert.notEqual(inboxes[0]?.[0]?.id, inboxes[1]?.[0]?.id);
      assert.deepEqual(inboxes[0], inboxes[3]);
    },
  },
  {
    promise: 'suspending is refused when something for an open wait is in the inbox, and nothing is written',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      await post(store, owner.taskId, item('signal', { key: 'signal:go' }));
      const child = item('cancel');
      const result = await store.write({
        op: 'suspend',
        owner,
        entries: [entry(1)],
        waits: [wait({ key: 'signal:go' })],
        posts: [{ taskId: owner.taskId, item: child }],
      });
      assert.deepEqual(result, awakened);
      assert.equal(await status(store, owner.taskId), 'running');
      assert.deepEqual(await store.journal(owner.taskId, 0, 10), []);
      assert.equal((await store.inbox(owner.taskId)).length, 1);
    },
  },
  {
    promise:
      'suspending goes on when the inbox holds only what no wait is open for, or what is taken with it',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const taken = item('signal', { key: 'signal:go' });
      await post(store, owner.taskId, taken);
      await post(store, owner.taskId, item('signal', { key: 'signal:later' }));
      assert.ok((await suspend(store, owner, [wait({ key: 'signal:go' })], [taken.id])).ok);
      assert.equal(await status(store, owner.taskId), 'waiting');
      assert.deepEqual(
        (await store.inbox(owner.taskId)).map(({ key }) => key),
        ['signal:later'],
      );
    },
  },
  {
    promise: 'suspending is refused for each kind of control item',
    async run({ store }) {
      for (const kind of ['cancel', 'pause', 'resume'] as const) {
        const owner = await submitAndClaim(store);
        await post(store, owner.taskId, item(kind));
        assert.deepEqual(await suspend(store, owner, [wait({ key: 'signal:x' })]), awakened);
      }
    },
  },
  {
    promise:
      'evidence about an effect wakes the task that is in doubt about it, and keeps it from suspending',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const doubt = wait({ kind: 'doubt', hash: 'h1', key: 'decision:h1' });
      await suspend(store, owner, [doubt, wait({ kind: 'approval', hash: 'h2', key: 'decision:h2' })]);
      for (const key of ['evidence:h2', 'evidence:h3']) {
        await post(store, owner.taskId, item('evidence', { key }));
        assert.equal(await status(store, owner.taskId), 'waiting', key);
      }
      await post(store, owner.taskId, item('evidence', { key: 'evidence:h1' }));
      assert.equal(await status(store, owner.taskId), 'pending');
      const next = await claimOnly(store, owner.taskId);
      assert.deepEqual(await suspend(store, next, [doubt]), awakened);
    },
  },
  {
    promise: 'a suspended task becomes ready when the earliest of its times has come',
    async run({ store, advance }) {
      const owner = await submitAndClaim(store);
      const now = await store.now();
      await suspend(store, owner, [wait({ dueAt: now + 3000 }), wait({ dueAt: now + 1000 })]);
      assert.equal(await store.promoteDue(10), now + 1000);
      await advance(1000);
      await store.promoteDue(10);
      assert.deepEqual(await readyIds(store), [owner.taskId]);
    },
  },
  {
    promise: 'a task that suspends for a time that has passed is ready at once',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      assert.ok((await suspend(store, owner, [wait({ dueAt: await store.now() })])).ok);
      assert.deepEqual(await readyIds(store), [owner.taskId]);
    },
  },
  {
    promise: 'an item posted twice is there once, also after it was taken and after the task ended',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const signal = item('signal', { key: 'signal:go' });
      await post(store, owner.taskId, signal);
      await post(store, owner.taskId, signal);
      assert.equal((await store.inbox(owner.taskId)).length, 1);
      await store.write({ op: 'append', owner, entries: [entry(1)], takes: [signal.id] });
      assert.deepEqual(await post(store, owner.taskId, signal), { ok: true });
      assert.deepEqual(await store.inbox(owner.taskId), []);
      assert.ok((await suspend(store, owner, [wait({ key: 'signal:go' })])).ok);
      await post(store, owner.taskId, signal);
      assert.equal(await status(store, owner.taskId), 'waiting');
      await post(store, owner.taskId, item('signal', { key: 'signal:go' }));
      await finish(store, await claimOnly(store, owner.taskId), 'completed', 2);
      assert.deepEqual(await post(store, owner.taskId, signal), { ok: true });
      assert.equal((await store.inbox(owner.taskId)).length, 1);
    },
  },
  {
    promise: 'a task that suspends again waits only for what it waits for then',
    async run({ store, advance }) {
      const owner = await submitAndClaim(store);
      const dueAt = (await store.now()) + 1000;
      await suspend(store, owner, [wait({ dueAt }), wait({ key: 'signal:a' })]);
      await advance(1000);
      await store.promoteDue(10);
      const waits = [wait({ key: 'signal:b' })];
      assert.ok((await suspend(store, await claimOnly(store, owner.taskId), waits)).ok);
      assert.deepEqual((await task(store, owner.taskId)).waits, waits);
      await post(store, owner.taskId, item('signal', { key: 'signal:a' }));
      assert.equal(await status(store, owner.taskId), 'waiting');
    },
  },
  {
    promise: 'what is posted to a running task stays until the owner takes it, and its listeners hear of it',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const posted: string[] = [];
      store.listen({ ready: () => {}, changed: () => {}, posted: (ids) => posted.push(...ids) });
      await post(store, owner.taskId, item('signal', { key: 'signal:go' }));
      assert.deepEqual(posted, [owner.taskId]);
      assert.equal(await status(store, owner.taskId), 'running');
      assert.equal((await store.inbox(owner.taskId)).length, 1);
    },
  },
  {
    promise: 'a post is refused for an unknown task, for one of another namespace and for one that has ended',
    async run({ store }) {
      const signal = item('signal', { key: 'signal:go' });
      const unknown = { ok: false, reason: 'not_found' };
      assert.deepEqual(await post(store, newId(), signal), unknown);
      const taskId = await submit(store, { namespace: 'other' });
      assert.deepEqual(await post(store, taskId, signal), unknown);
      const ended = await claimOnly(store, taskId);
      await finish(store, ended, 'failed');
      assert.deepEqual(await post(store, taskId, signal), unknown);
      const own = await store.write({ op: 'post', namespace: 'other', taskId, item: signal });
      assert.deepEqual(own, { ok: false, reason: 'wrong_state', status: 'failed' });
    },
  },
  {
    promise: 'a decision that comes after its request was due is refused, also before the task goes on',
    async run({ store, advance }) {
      const owner = await submitAndClaim(store);
      const request = (key: string, dueAt: number) => wait({ kind: 'approval', key, dueAt });
      const dueAt = (await store.now()) + 1000;
      const waits = [request('decision:late', dueAt), request('decision:early', dueAt + 60_000)];
      await suspend(store, owner, waits);
      await advance(2000);
      const decide = (key: string) => post(store, owner.taskId, item('decision', { key }));
      const late = await decide('decision:late');
      assert.deepEqual(late, { ok: false, reason: 'not_open', status: 'waiting' });
      assert.ok((await decide('decision:early')).ok);
    },
  },
  {
    promise: 'of two decisions about one request the first counts, and who gives the second can read it',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const waits = [wait({ kind: 'approval', key: 'decision:h' }), wait({ key: 'signal:go' })];
      const decide = (data: string) =>
        post(store, owner.taskId, item('decision', { key: 'decision:h', data }));
      const notOpen = (taskStatus: string) => ({ ok: false, reason: 'not_open', status: taskStatus });
      assert.deepEqual(await decide('"early"'), notOpen('running'));
      await suspend(store, owner, waits);
      assert.equal(await store.lastDecision(owner.taskId, 'decision:h'), undefined);
      const answers = await Promise.all([decide('"first"'), decide('"second"')]);
      assert.deepEqual(answers, [{ ok: true }, notOpen('pending')]);
      const [first] = await store.inbox(owner.taskId);
      const known = { at: first?.at, data: '"first"' };
      assert.deepEqual(await store.lastDecision(owner.taskId, 'decision:h'), known);
      const next = await claimOnly(store, owner.taskId);
      await store.write({ op: 'append', owner: next, entries: [entry(1)], takes: [first?.id ?? ''] });
      assert.deepEqual(await store.lastDecision(owner.taskId, 'decision:h'), known);
      assert.ok((await suspend(store, next, waits)).ok, 'a request can be asked anew');
      await post(store, owner.taskId, item('pause'));
      assert.deepEqual(await decide('"third"'), { ok: true });
      assert.deepEqual(await decide('"fourth"'), notOpen('paused'));
      assert.equal((await store.lastDecision(owner.taskId, 'decision:h'))?.data, '"third"');
      const elsewhere = { op: 'post', namespace: 'other', taskId: owner.taskId } as const;
      const stranger = await store.write({ ...elsewhere, item: item('decision', { key: 'decision:h' }) });
      assert.deepEqual(stranger, { ok: false, reason: 'not_found' });
    },
  },
  {
    promise: 'an item’s id belongs to one task',
    async run({ store }) {
      const [a, b] = [await submit(store), await submit(store)];
      const signal = item('signal', { key: 'signal:go' });
      await post(store, a, signal);
      await assert.rejects(post(store, b, signal), { code: 'invalid_argument' });
      const write = { op: 'reopen', namespace, taskId: b, itemId: signal.id } as const;
      assert.deepEqual(await store.write(write), { ok: false, reason: 'wrong_state', status: 'pending' });
    },
  },
];
