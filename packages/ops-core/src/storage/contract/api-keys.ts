import assert from 'node:assert/strict';
import type { StoreCase } from './scenario.ts';

const key = { id: 'k1', namespace: 'default', name: 'bootstrap', digest: 'd1' };

export const apiKeyCases: readonly StoreCase[] = [
  {
    promise: 'a key is found by its id, and nothing of it is changed by adding it again',
    async run({ store }) {
      assert.deepEqual(await store.apiKeys(), []);
      assert.equal(await store.addApiKey(key, { onlyFirst: false }), true);
      assert.equal(await store.addApiKey(key, { onlyFirst: false }), true);
      assert.equal(await store.addApiKey({ ...key, digest: 'other' }, { onlyFirst: false }), false);
      const { createdAt, ...found } = (await store.apiKey('k1')) ?? assert.fail();
      assert.deepEqual(found, key);
      assert.ok(createdAt > 0);
      assert.equal(await store.apiKey('k2'), undefined);
      assert.deepEqual(await store.apiKeys(), [{ ...key, createdAt }]);
    },
  },
  {
    promise: 'a key that is removed is gone, once, and the others stay',
    async run({ store }) {
      await store.addApiKey(key, { onlyFirst: true });
      await store.addApiKey({ ...key, id: 'k2' }, { onlyFirst: false });
      assert.deepEqual([await store.removeApiKey('k1'), await store.removeApiKey('k1')], [true, false]);
      assert.equal(await store.apiKey('k1'), undefined);
      assert.deepEqual(
        (await store.apiKeys()).map(({ id }) => id),
        ['k2'],
      );
      assert.equal(await store.addApiKey(key, { onlyFirst: true }), false, 'there is one');
      await store.removeApiKey('k2');
      assert.equal(await store.addApiKey(key, { onlyFirst: true }), true);
    },
  },
  {
    promise: 'of many first keys at the same time one is kept, and later none',
    async run({ store }) {
      const keys = Array.from({ length: 5 }, (_, index) => ({ ...key, id: `k${index}` }));
      const added = await Promise.all(keys.map((each) => store.addApiKey(each, { onlyFirst: true })));
      assert.equal(added.filter(Boolean).length, 1);
      assert.equal(await store.addApiKey({ ...key, id: 'late' }, { onlyFirst: true }), false);
      const first = keys[added.indexOf(true)] ?? assert.fail();
      assert.equal(await store.addApiKey(first, { onlyFirst: true }), true, 'the same again is no other');
      assert.equal(await store.addApiKey({ ...key, id: 'more' }, { onlyFirst: false }), true);
    },
  },
];
