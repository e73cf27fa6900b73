import assert from 'node:assert/strict';
import type { Store } from '../store.ts';
import { namespace, type StoreCase } from './scenario.ts';

const server = 'files';
const limit = 100;

const record = (store: Store, tools: Record<string, string>, changes = {}) =>
  store.recordToolPins({
    namespace,
    server,
    isStrict: false,
    limit,
    tools: Object.entries(tools).map(([tool, digest]) => ({ tool, digest, definition: `{"v":"${digest}"}` })),
    ...changes,
  });

const states = async (store: Store, of = namespace) =>
  (await store.toolPinStates(of, server))
    .map(({ tool, digest, status }) => `${tool} ${digest} ${status}`)
    .sort();

export const toolPinCases: readonly StoreCase[] = [
  {
    promise: 'the first definitions of a server are approved, later ones are quarantined, per namespace',
    async run({ store }) {
      await record(store, { read: 'a', write: 'b' });
      await record(store, { read: 'a', write: 'c', delete: 'd' });
      const known = ['delete d quarantined', 'read a approved', 'write b approved', 'write c quarantined'];
      assert.deepEqual(await states(store), known);
      assert.deepEqual(await states(store, 'other'), []);
      await record(store, { read: 'z' }, { namespace: 'other' });
      assert.deepEqual(await states(store, 'other'), ['read z approved']);
      assert.deepEqual(await states(store), known);
      await record(store, { read: 'a' }, { server: 'strict', isStrict: true });
      await record(store, { read: 'b' }, { server: 'strict' });
      assert.deepEqual(
        (await store.toolPins(namespace, 'strict')).map(({ status }) => status),
        ['quarantined', 'quarantined'],
      );
    },
  },
  {
    promise: 'of many that see a server at once, one is the first',
    async run({ store }) {
      const seen = Array.from({ length: 8 }, (_, n) => record(store, { read: String(n) }));
      await Promise.all(seen);
      const approved = (await states(store)).filter((state) => state.endsWith('approved'));
      assert.equal(approved.length, 1);
      assert.equal((await states(store)).length, 8);
    },
  },
  {
    promise: 'a decision is about a definition, a tool or a server, and names who took it and when',
    async run({ store, advance }) {
      const before = await store.now();
      await record(store, { read: 'a', write: 'b' });
      await record(store, { read: 'c' });
      await advance(1000);
      const choice = { namespace, server, by: 'ada', status: 'approved' } as const;
      const [decided, ...others] = await store.decideToolPins({ ...choice, tool: 'read', digest: 'c' });
      assert.deepEqual(others, []);
      assert.deepEqual([decided?.tool, decided?.decidedBy, decided?.status], ['read', 'ada', 'approved']);
      assert.ok((decided?.decidedAt ?? 0) >= before && (decided?.seenAt ?? 0) >= before);
      await store.decideToolPins({ ...choice, tool: 'read', status: 'quarantined' });
      const expected = ['read a quarantined', 'read c quarantined', 'write b approved'];
      assert.deepEqual(await states(store), expected);
      assert.equal((await store.decideToolPins(choice)).length, 3);
      assert.deepEqual(await store.decideToolPins({ ...choice, namespace: 'other' }), []);
      assert.deepEqual(await store.decideToolPins({ ...choice, tool: 'none' }), []);
    },
  },
  {
    promise: 'pins are bounded, listed in order, and keep any text',
    async run({ store }) {
      const odd = { 'a\u0000\u0001"': 'x' };
      await record(store, odd);
      const [pin] = await store.toolPins(namespace);
      assert.deepEqual(
        [pin?.tool, pin?.definition, pin?.decidedBy],
        ['a\u0000\u0001"', '{"v":"x"}', undefined],
      );
      for (let n = 0; n < 6; n += 1) await record(store, { t: String(n) }, { limit: 4 });
      assert.equal((await states(store)).length, 4);
      await record(store, { z: '1' }, { server: 'zoo' });
      await record(store, { a: '1' }, { server: 'ark' });
      const listed = (await store.toolPins(namespace)).map((each) => each.server);
      assert.deepEqual(listed, ['ark', 'files', 'files', 'files', 'files', 'zoo']);
    },
  },
];
