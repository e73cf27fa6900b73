import assert from 'node:assert/strict';
import { it } from 'node:test';
import { getHeapSpaceStatistics } from 'node:v8';
import { openOpspawn } from '../../../test/opspawn.ts';
import { localPrincipal } from '../../auth/principal.ts';
import { defineFunction } from '../definitions/definition.ts';

/** Bytes among the objects that only a full collection frees. */
const oldBytes = (): number =>
  getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')?.space_used_size ?? 0;

it('leaves nothing of a task that is over to the full collections', async (t) => {
  let left = 0;
  let onDone = (): void => {};
  const done = (): void => {
    left -= 1;
    if (left === 0) onDone();
  };
  const noop = defineFunction({ name: 'noop', run: done });
  const steps = defineFunction({
    name: 'steps',
    async run(ctx) {
      await ctx.step('one', () => 1);
      await ctx.step('two', () => 2);
      done();
    },
  });
  const { engine } = await openOpspawn(t, { functions: [noop, steps] });
  const runTasks = async (name: string, count: number): Promise<void> => {
    const all = new Promise<void>((resolve) => {
      onDone = resolve;
    });
    left = count;
    let unsubmitted = count;
    const submit = async (): Promise<void> => {
      while (unsubmitted-- > 0) await engine.submit(localPrincipal, { name, input: 'x'.repeat(200) });
    };
    await Promise.all([all, ...Array.from({ length: 50 }, submit)]);
  };
  for (const [name, count] of [
    ['noop', 6_000],
    ['steps', 1_500],
  ] as const) {
    await runTasks(name, count / 3);
    const before = oldBytes();
    await runTasks(name, count);
    const bytes = (oldBytes() - before) / count;
    t.diagnostic(`${name}: ${bytes.toFixed(0)} bytes per task`);
    assert.ok(bytes < 2_000, `${name}: ${bytes.toFixed(0)} bytes per task`);
  }
});
