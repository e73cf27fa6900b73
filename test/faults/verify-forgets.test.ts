import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { Operator } from '../../packages/cli/src/verify/operator.ts';
import { functionName } from '../../packages/cli/src/verify/ten-steps.ts';
import { item, submit } from '../../packages/ops-core/src/storage/contract/scenario.ts';
import { openSqliteStore } from '../../packages/ops-core/src/storage/sqlite/database/open-store.ts';
import { temporaryFolder, testSettings } from '../../packages/ops-core/test/opspawn.ts';

const twoDaysMs = 2 * 24 * 3_600_000;

/** A UUID version 7 of two days ago. */
function oldId(end: number): string {
  const hex = (Date.now() - twoDaysMs).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-${String(end).padStart(12, '0')}`;
}

it('deletes what a killed run left, and nothing of a namespace of somebody that is only called so', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'opspawn.db');
  const definition = { kind: 'function', version: '', queue: 'default', data: '{}' } as const;
  const left = ['verify-left', 'verify-team', 'verify-mixed'];
  {
    await using store = await openSqliteStore({ path, now: () => Date.now() - twoDaysMs });
    await store.registerDefinitions([
      { ...definition, namespace: 'verify-left', name: functionName },
      { ...definition, namespace: 'verify-mixed', name: functionName },
      { ...definition, namespace: 'verify-mixed', name: 'pay' },
    ]);
    for (const [index, namespace] of left.entries()) {
      const taskId = await submit(store, { id: oldId(index), namespace });
      await store.write({
        op: 'post',
        namespace,
        taskId,
        item: item('cancel', { data: '{"reason":"over"}' }),
      });
    }
  }
  await Operator.forgetOld(
    testSettings(folder, { database: { kind: 'sqlite', path } }),
    new AbortController().signal,
  );
  await using store = await openSqliteStore({ path });
  assert.deepEqual(await store.namespaces(), ['verify-mixed', 'verify-team']);
  for (const namespace of ['verify-mixed', 'verify-team'])
    assert.equal((await store.taskIds({ namespace }, { limit: 2 })).length, 1);
});
