import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LiveMessage, RingListener } from './broker.ts';
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

  /** Until nothing came for a moment; what came is forgotten. */
  async settle(): Promise<void> {
    for (let seen = -1; seen !== this.items.length; await sleep(40)) seen = this.items.length;
    this.items.length = 0;
  }

  async count(count: number): Promise<void> {
    if (this.items.length >= count) return;
    await new Promise<void>((resolve) => {
      this.#waiting = { count, resolve };
    });
  }
}

/** A listener that writes down who it is. */
const hearing =
  (rings: Received<string>, name: string, mayBeMore = false): RingListener =>
  async () => {
    rings.add(name);
    return mayBeMore;
  };

/** Rings until that listener hears it: a link that has just been made may bring a ring of its own, or lose one. */
async function heard(rings: Received<string>, name: string, ring: () => void): Promise<void> {
  rings.items.length = 0;
  while (!rings.items.includes(name)) {
    ring();
    await Promise.race([rings.count(rings.items.length + 1), sleep(50)]);
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
    promise: 'a ring is heard in another process, and in this one',
    async run({ here, there }) {
      const rings = new Received<string>();
      {
        using _there = there.broker.subscribe(['a', 'b'], hearing(rings, 'there'));
        await heard(rings, 'there', () => here.broker.ring(new Set(['b'])));
      }
      using _here = here.broker.subscribe(['b'], hearing(rings, 'here'));
      await heard(rings, 'here', () => here.broker.ring(new Set(['b'])));
    },
  },
  {
    promise: 'a ring of another queue is not heard, and after disposal none is',
    async run({ here, there }) {
      const rings = new Received<string>();
      using _other = there.broker.subscribe(['other'], hearing(rings, 'other'));
      there.broker.subscribe(['a'], hearing(rings, 'disposed'))[Symbol.dispose]();
      using _a = there.broker.subscribe(['a'], hearing(rings, 'a'));
      await heard(rings, 'other', () => here.broker.ring(new Set(['other'])));
      await heard(rings, 'a', () => here.broker.ring(new Set(['a'])));
      // A ring of before may come late, but not again and again.
      for (let tries = 0; tries < 20 && (tries === 0 || new Set(rings.items).size > 1); tries += 1) {
        await rings.settle();
        here.broker.ring(new Set(['a']));
        while (!rings.items.includes('a')) await rings.count(rings.items.length + 1);
      }
      assert.deepEqual(new Set(rings.items), new Set(['a']));
    },
  },
  {
    promise: 'what rings while a listener claims is heard after that',
    async run({ here, there }) {
      const rings = new Received<PromiseWithResolvers<boolean>>();
      using _listener = there.broker.subscribe(['a'], () => {
        const claim = Promise.withResolvers<boolean>();
        rings.add(claim);
        return claim.promise;
      });
      here.broker.ring(new Set(['a']));
      await rings.count(1);
      const before = rings.items.length;
      here.broker.ring(new Set(['a']));
      for (const claim of rings.items) claim.resolve(false);
      await rings.count(before + 1);
      for (const claim of rings.items) claim.resolve(false);
    },
  },
  {
    promise: 'a ring is not lost in a listener that has no room: one that has hears it',
    async run({ here, there }) {
      const rings = new Received<string>();
      using full = here.broker.subscribe(['a'], () => {
        full.open(false);
        // It claims when it has room again, which it never has.
        return new Promise(() => {});
      });
      full.open(false);
      using _there = there.broker.subscribe(['a'], hearing(rings, 'there'));
      await rings.settle();
      here.broker.ring(new Set(['a']));
      await rings.count(1);
    },
  },
  {
    promise: 'what one listener could not claim alone, all hear of',
    async run({ here, there }) {
      const rings = new Received<string>();
      using _here = here.broker.subscribe(['a'], hearing(rings, 'here', true));
      using _there = there.broker.subscribe(['a'], hearing(rings, 'there', true));
      await rings.settle();
      here.broker.ring(new Set(['a']));
      while (new Set(rings.items).size < 2) await rings.count(rings.items.length + 1);
    },
  },
  {
    promise: 'a listener that has room again hears rings again',
    async run({ here, there }) {
      const rings = new Received<string>();
      using listener = there.broker.subscribe(['a'], hearing(rings, 'there'));
      listener.open(false);
      await sleep(60);
      listener.open(true);
      await rings.settle();
      here.broker.ring(new Set(['a']));
      await rings.count(1);
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
