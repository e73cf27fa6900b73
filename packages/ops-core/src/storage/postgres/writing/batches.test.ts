import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Batches } from './batches.ts';

/** Batches of numbers; each that was sent waits for its end. */
function openBatches(halves = true) {
  const sent: { items: readonly number[]; end: () => void }[] = [];
  const batches = new Batches<number, number>({
    lengthOf: () => 1,
    halves,
    send: (items) => new Promise((resolve) => sent.push({ items, end: () => resolve(items) })),
  });
  return { sent, batches };
}
const sizes = (sent: readonly { items: readonly number[] }[]) => sent.map(({ items }) => items.length);
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 3; turn += 1) await nextTurn();
};

test('Callers who ask together go in two batches, and what comes meanwhile in the next', async () => {
  const { sent, batches } = openBatches();
  const answers = Array.from({ length: 150 }, (_, item) => batches.add(item));
  await turns();
  assert.deepEqual(sizes(sent), [75, 75]);

  const later = Array.from({ length: 40 }, (_, item) => batches.add(150 + item));
  await turns();
  assert.deepEqual(sizes(sent), [75, 75]);
  sent[0]?.end();
  await turns();
  assert.deepEqual(sizes(sent), [75, 75, 40]);

  for (const { end } of sent) end();
  assert.deepEqual(
    await Promise.all([...answers, ...later]),
    Array.from({ length: 190 }, (_, item) => item),
  );
});

test('A few callers go together, as all do without halves, and of very many at most 500', async () => {
  const few = openBatches();
  const whole = openBatches(false);
  for (let item = 0; item < 150; item += 1) void whole.batches.add(item);
  for (let item = 0; item < 50; item += 1) void few.batches.add(item);
  const many = openBatches();
  for (let item = 0; item < 1500; item += 1) void many.batches.add(item);
  await turns();
  assert.deepEqual(sizes(few.sent), [50]);
  assert.deepEqual(sizes(whole.sent), [150]);
  assert.deepEqual(sizes(many.sent), [500, 500]);
});
