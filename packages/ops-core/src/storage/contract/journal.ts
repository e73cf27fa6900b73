import assert from 'node:assert/strict';
import {
  claimOnly,
  entry,
  finish,
  lost,
  release,
  type StoreCase,
  status,
  submit,
  submitAndClaim,
  suspend,
  task,
  wait,
} from './scenario.ts';

export const journalCases: readonly StoreCase[] = [
  {
    promise: 'entries are read back as they were written, in order, from any seq, in pages',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const first = entry(1, { branch: '', name: 'load', count: 2, asked: 0, data: '{"value":1}' });
      const written = await store.write({ op: 'append', owner, entries: [first] });
      assert.ok(written.ok);
      await store.write({ op: 'append', owner, entries: [entry(2, { type: 'log' }), entry(3)] });
      const ended = await finish(store, owner, 'completed', 4, '{"output":1}');
      assert.ok(ended.ok);
      const journal = await store.journal(owner.taskId, 0, 10);
      assert.deepEqual(journal[0], { ...first, attempt: 1, at: written.at });
      assert.deepEqual(journal[3], {
        seq: 4,
        type: 'task.completed',
        attempt: 1,
        at: ended.at,
        data: '{"output":1}',
      });
      const seqs = async (after: number, limit: number) =>
        (await store.journal(owner.taskId, after, limit)).map(({ seq }) => seq);
      assert.deepEqual(await seqs(0, 10), [1, 2, 3, 4]);
      assert.deepEqual(await seqs(1, 2), [2, 3]);
      assert.deepEqual(await seqs(2, 10), [3, 4]);
      assert.deepEqual(await seqs(4, 10), []);
    },
  },
  {
    promise: 'the next attempt knows the last seq',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      await store.write({ op: 'append', owner, entries: [entry(1), entry(2)] });
      await release(store, owner, 0, [entry(3, { type: 'attempt.failed' })]);
      const next = await claimOnly(store, owner.taskId);
      assert.equal(next.lastSeq, 3);
      assert.equal((await task(store, owner.taskId)).lastSeq, 3);
    },
  },
  {
    promise: 'appending the same entry again is appending it once, also after the task was lost',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const append = () => store.write({ op: 'append', owner, entries: [entry(1), entry(2)] });
      const first = await append();
      assert.deepEqual(await append(), first);
      await release(store, owner, 0);
      assert.deepEqual(await append(), first);
      assert.equal((await store.journal(owner.taskId, 0, 10)).length, 2);
    },
  },
  {
    promise:
      'a write of an owner that lost the task is not taken for its earlier one when it says something else',
    async run({ store }) {
      const old = await submitAndClaim(store);
      await store.write({ op: 'append', owner: old, entries: [entry(1, { type: 'step.intended' })] });
      await release(store, old, 0);
      await claimOnly(store, old.taskId);
      assert.deepEqual(await release(store, old, 0, [entry(1, { type: 'attempt.failed' })]), lost);
      assert.equal((await store.journal(old.taskId, 0, 10)).length, 1);
    },
  },
  {
    promise: 'an entry is never overwritten: the owner that tries is refused, and nothing of its write stays',
    async run({ store }) {
      const first = await submitAndClaim(store);
      await store.write({ op: 'append', owner: first, entries: [entry(1, { data: '1' })] });
      await release(store, first, 0);
      const second = await claimOnly(store, first.taskId);
      const entries = [entry(1, { data: '2' }), entry(2)];
      await assert.rejects(store.write({ op: 'append', owner: second, entries }), { code: 'internal' });
      await assert.rejects(finish(store, second, 'completed', 1), { code: 'internal' });
      const journal = await store.journal(first.taskId, 0, 10);
      assert.deepEqual(
        journal.map(({ seq, data, attempt }) => [seq, data, attempt]),
        [[1, '1', 1]],
      );
    },
  },
  {
    promise: 'after a takeover every write of the old owner is refused and changes nothing',
    async run({ store, advance }) {
      const old = await submitAndClaim(store, { attemptTimeoutMs: 1000 });
      await advance(1000);
      assert.equal(await store.sweep(10), 1);
      const owner = await claimOnly(store, old.taskId);
      assert.equal(owner.attempt, 2);
      const entries = [entry(1)];
      assert.deepEqual(await store.write({ op: 'append', owner: old, entries }), lost);
      assert.deepEqual(await finish(store, old), lost);
      assert.deepEqual(await suspend(store, old, [wait({ dueAt: 0 })]), lost);
      assert.deepEqual(await release(store, old, 0), lost);
      assert.deepEqual(await store.write({ op: 'pause', owner: old, entries, reason: 'operator' }), lost);
      assert.deepEqual(await store.journal(old.taskId, 0, 10), []);
      assert.equal(await status(store, old.taskId), 'running');
      assert.ok((await finish(store, owner)).ok);
    },
  },
  {
    promise: 'an owner is refused with another worker’s id as well as with another attempt’s number',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      for (const other of [
        { ...owner, workerId: 'somebody' },
        { ...owner, attempt: owner.attempt + 1 },
      ]) {
        assert.deepEqual(await store.write({ op: 'append', owner: other, entries: [entry(1)] }), lost);
        assert.deepEqual(await finish(store, other), lost);
        assert.deepEqual(await release(store, other, 0), lost);
      }
      assert.ok((await finish(store, owner)).ok);
    },
  },
  {
    promise: 'a task ends once: the same end again is answered the same, another is refused',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const first = await finish(store, owner, 'completed', 1, '{"output":1}');
      assert.ok(first.ok);
      assert.deepEqual(await finish(store, owner, 'completed', 1, '{"output":1}'), first);
      assert.deepEqual(await finish(store, { ...owner, attempt: 2 }), lost);
      assert.deepEqual(await store.write({ op: 'append', owner, entries: [entry(2)] }), lost);
      const row = await task(store, owner.taskId);
      assert.deepEqual(
        [row.status, row.outcome, row.finishedAt, row.lastSeq, row.attempt],
        ['completed', '{"output":1}', first.at, 1, 1],
      );
    },
  },
  {
    promise: 'an end without its terminal entry is refused',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const write = { op: 'finish', owner, status: 'completed' } as const;
      await assert.rejects(store.write({ ...write, entries: [] }), { code: 'invalid_argument' });
      await assert.rejects(store.write({ ...write, entries: [entry(1)] }), { code: 'invalid_argument' });
      assert.equal(await status(store, owner.taskId), 'running');
    },
  },
  {
    promise: 'what goes on in one task leaves others as they are',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const other = await submit(store);
      await store.write({ op: 'append', owner, entries: [entry(1)] });
      await finish(store, owner, 'failed', 2);
      assert.equal(await status(store, other), 'pending');
      assert.deepEqual(await store.journal(other, 0, 10), []);
    },
  },
];
