import assert from 'node:assert/strict';
import {
  claimOnly,
  entry,
  finish,
  item,
  namespace,
  post,
  type StoreCase,
  submit,
  submitAndClaim,
  task,
} from './scenario.ts';

const big = (letter: string): string => JSON.stringify(letter.repeat(300_000));
const odd = 'nul \u0000, emoji 👩‍🚀, combining e\u0301, right-to-left \u202e, separator \u2028, last \uffff';

export const valueCases: readonly StoreCase[] = [
  {
    promise: 'values far over 64 KiB come back whole from everywhere',
    async run({ store }) {
      const taskId = await submit(store, { input: big('i') });
      assert.equal((await task(store, taskId)).input, big('i'));
      await post(store, taskId, item('signal', { key: 'signal:x', data: big('s') }));
      const owner = await claimOnly(store, taskId);
      assert.equal(owner.input, big('i'));
      assert.equal((await store.inbox(taskId))[0]?.data, big('s'));
      await store.write({ op: 'append', owner, entries: [entry(1, { data: big('é') }), entry(2)] });
      await finish(store, owner, 'completed', 3, big('o'));
      const journal = await store.journal(taskId, 0, 10);
      assert.deepEqual(
        journal.map(({ data }) => data),
        [big('é'), undefined, big('o')],
      );
      assert.equal((await task(store, taskId)).outcome, big('o'));
    },
  },
  {
    promise: 'a big value that is sent again is stored once',
    async run({ store }) {
      const owner = await submitAndClaim(store, { input: big('i') });
      const entries = [entry(1, { data: big('a') })];
      const first = await store.write({ op: 'append', owner, entries });
      assert.deepEqual(await store.write({ op: 'append', owner, entries }), first);
      assert.equal((await store.journal(owner.taskId, 0, 10))[0]?.data, big('a'));
    },
  },
  {
    promise: 'a value over the limit is refused as payload_too_large, and nothing of its write stays',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const entries = [entry(1), entry(2, { data: 'x'.repeat(64 * 1024 * 1024 + 1) })];
      await assert.rejects(store.write({ op: 'append', owner, entries }), { code: 'payload_too_large' });
      assert.deepEqual(await store.journal(owner.taskId, 0, 10), []);
    },
  },
  {
    promise: 'every character is kept, in values and in names',
    async run({ store }) {
      const data = JSON.stringify({ text: odd, lone: '\ud800' });
      const owner = await submitAndClaim(store, { input: data, sessionId: odd });
      assert.deepEqual([owner.input, owner.sessionId], [data, odd]);
      const first = entry(1, { branch: odd, name: odd, count: 1, data });
      const raw = entry(2, { data: JSON.stringify(odd).replace('\\u0000', '\u0000') });
      await store.write({ op: 'append', owner, entries: [first, raw] });
      const [read, second] = await store.journal(owner.taskId, 0, 10);
      assert.deepEqual([read?.branch, read?.name, read?.data], [odd, odd, data]);
      assert.equal(second?.data, raw.data);
    },
  },
  {
    promise: 'a step name that no database can keep is refused',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const entries = [entry(1, { name: 'half a pair \ud83d' })];
      await assert.rejects(store.write({ op: 'append', owner, entries }), { code: 'invalid_argument' });
    },
  },
  {
    promise: 'an id that is no UUID is nobody’s',
    async run({ store }) {
      for (const id of ['', 'task', '../../etc', 'x'.repeat(100)]) {
        assert.equal(await store.task(namespace, id), undefined);
        assert.deepEqual([await store.journal(id, 0, 10), await store.inbox(id)], [[], []]);
        assert.equal(await store.renewLease(id, 1000), false);
      }
    },
  },
  {
    promise: 'time never goes back',
    async run({ store, advance }) {
      const owner = await submitAndClaim(store);
      const times: number[] = [];
      for (const [seq, ms] of [1000, -5000, 10, 6000].entries()) {
        await advance(ms);
        const result = await store.write({ op: 'append', owner, entries: [entry(seq + 1)] });
        assert.ok(result.ok);
        times.push(result.at, await store.now());
      }
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      );
      assert.ok((times.at(-1) ?? 0) > (times[0] ?? 0));
    },
  },
];
