import assert from 'node:assert/strict';
import type { LiveMessage } from './broker.ts';
import type { Bus } from './bus.ts';

/** Two ends of one bus: the same process or two, as the backend has it. */
export interface BusEnds extends AsyncDisposable {
  readonly here: Bus;
  readonly there: Bus;
}

export interface BusCase {
  readonly promise: string;
  run(ends: BusEnds): Promise<void>;
}

const changed = (taskId: string): LiveMessage => ({ type: 'changed', taskId });
const event = (taskId: string, text: string): LiveMessage => ({
  type: 'event',
  taskId,
  attempt: 1,
  event: { type: 'text.delta', text },
});

/** Collects what arrives, and waits until so much has. */
class Received<T> {
  readonly items: T[] = [];
  #waiting: { count: number; resolve: () => void } | undefined;

  readonly add = (item: T): void => {
    this.items.push(item);
    if (this.#waiting !== undefined && this.items.length >= this.#waiting.count) this.#waiting.resolve();
  };

  async count(count: number): Promise<void> {
    if (this.items.length >= count) return;
    await new Promise<void>((resolve) => {
      this.#waiting = { count, resolve };
    });
  }
}

/** Waits until `here` knows that `there` watches the task: what is sent before that may be lost. */
async function watchFrom(ends: BusEnds, taskId: string): Promise<Received<LiveMessage> & Disposable> {
  const received = new Received<LiveMessage>();
  const subscription = ends.there.live.subscribe(taskId, received.add);
  while (received.items.length === 0) {
    ends.here.live.publish(changed(taskId));
    await new Promise((resolve) => setImmediate(resolve));
  }
  // Whatever was sent so far arrives before what is sent from now on.
  ends.here.live.publish(event(taskId, 'begin'));
  while (received.items.at(-1)?.type !== 'event') await new Promise((resolve) => setImmediate(resolve));
  received.items.length = 0;
  return Object.assign(received, { [Symbol.dispose]: () => subscription[Symbol.dispose]() });
}

/** Every backend keeps these promises. */
export const busCases: readonly BusCase[] = [
  {
    promise: 'a ring reaches listeners of that queue here and there, once each',
    async run({ here, there }) {
      const rings = new Received<string>();
      using _here = here.broker.subscribe(['a', 'b'], () => rings.add('here'));
      using _there = there.broker.subscribe(['b'], () => rings.add('there'));
      here.broker.ring(new Set(['a', 'b']));
      await rings.count(2);
      assert.deepEqual(rings.items.toSorted(), ['here', 'there']);
    },
  },
  {
    promise: 'a ring of another queue is not heard, and after disposal none is',
    async run({ here, there }) {
      const rings = new Received<string>();
      using _other = there.broker.subscribe(['other'], () => rings.add('other'));
      there.broker.subscribe(['a'], () => rings.add('disposed'))[Symbol.dispose]();
      using _a = there.broker.subscribe(['a'], () => rings.add('a'));
      here.broker.ring(new Set(['a']));
      await rings.count(1);
      assert.deepEqual(rings.items, ['a']);
    },
  },
  {
    promise: 'live messages of a watched task arrive whole and in order',
    async run(ends) {
      using received = await watchFrom(ends, 'task');
      const sent = Array.from({ length: 100 }, (_, index) => event('task', `${index} \n "ü" \u2028`));
      for (const message of sent) ends.here.live.publish(message);
      await received.count(sent.length);
      assert.deepEqual(received.items, sent);
    },
  },
  {
    promise: 'messages of a task that is not watched, or no longer, do not arrive',
    async run(ends) {
      using received = await watchFrom(ends, 'task');
      const ended = await watchFrom(ends, 'ended');
      ended[Symbol.dispose]();
      ends.here.live.publish(event('stranger', 'x'));
      ends.here.live.publish(event('ended', 'x'));
      ends.here.live.publish(event('task', 'last'));
      await received.count(1);
      assert.deepEqual(received.items, [event('task', 'last')]);
      assert.deepEqual(ended.items, []);
    },
  },
  {
    promise: 'two watchers of one task both get its messages, and one goes on when the other ends',
    async run(ends) {
      using first = await watchFrom(ends, 'task');
      const second = await watchFrom(ends, 'task');
      first.items.length = 0;
      ends.here.live.publish(event('task', 'both'));
      await Promise.all([first.count(1), second.count(1)]);
      second[Symbol.dispose]();
      ends.here.live.publish(event('task', 'one'));
      await first.count(2);
      assert.deepEqual(first.items, [event('task', 'both'), event('task', 'one')]);
      assert.deepEqual(second.items, [event('task', 'both')]);
    },
  },
];
