/**
 * What lies between the processes: calls of the database that take their time in either direction and fail before or
 * after they were done, doorbells that are lost, live messages that come late. Whoever dies hears nothing more; what it
 * had sent arrives.
 */
import { OpspawnError } from '@opspawn/agentkit';
import type { Broker, LiveChannel, LiveMessage } from '../../packages/ops-core/src/broker/broker.ts';
import type { Bus } from '../../packages/ops-core/src/broker/bus.ts';
import { interceptStore } from '../../packages/ops-core/src/storage/faults/intercept.ts';
import { offerFor } from '../../packages/ops-core/src/storage/offers.ts';
import type {
  ClaimedTask,
  NewTask,
  Offer,
  Store,
  StoreListener,
  WorkerInfo,
  Write,
} from '../../packages/ops-core/src/storage/store.ts';
import type { FaultMix } from './faults.ts';
import type { SimulatedProcess, VirtualTime } from './virtual-time.ts';

/** A call of the store that was done, at the moment of its commit. */
export interface DoneCall {
  readonly process: SimulatedProcess;
  readonly method: string;
  readonly args: readonly unknown[];
  readonly result: unknown;
  /** What it claimed as it was submitted. */
  readonly begun?: ClaimedTask;
}

interface Listener<Message> {
  readonly process: SimulatedProcess;
  readonly hear: (message: Message) => void;
}

interface NetworkOptions {
  time: VirtualTime;
  faults: FaultMix;
  onDone: (call: DoneCall) => void;
  note: (line: string) => void;
}

/** A lost message of one kind, and a call that takes long, are that rare. */
const rareShare = 0.01;
const calmLatencyMs = 2;
const nobody: Set<Listener<LiveMessage>> = new Set();

export class Network {
  /** Virtual ms: until then the database cannot be reached. */
  outageUntil = 0;
  readonly #options: NetworkOptions;
  readonly #doorbells = new Set<Listener<ReadonlySet<string>>>();
  readonly #watchers = new Map<string, Set<Listener<LiveMessage>>>();

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  /** The store as the process reaches it. */
  connect(process: SimulatedProcess, store: Store): Store {
    const offers = new Offers();
    return interceptStore(
      withListenersIn(process, store, { time: this.#options.time, offers }),
      (method, args, call) => {
        const asked = { process, method, args };
        const [write] = args as [Write];
        return method === 'write' && write.op === 'submit'
          ? offers.submit(write.task, (given) => this.#call(Object.assign(given, asked), call))
          : this.#call(asked, call);
      },
    );
  }

  bus(process: SimulatedProcess): Bus {
    const broker: Broker = {
      ring: (queues) => this.#send(this.#doorbells, queues),
      subscribe: (queues, onRing) => {
        const hear = (rung: ReadonlySet<string>): void => {
          if (queues.some((queue) => rung.has(queue))) void onRing();
        };
        const listener = { process, hear };
        this.#doorbells.add(listener);
        return { open: () => {}, [Symbol.dispose]: () => void this.#doorbells.delete(listener) };
      },
      [Symbol.asyncDispose]: async () => {},
    };
    return {
      broker,
      live: this.#live(process),
      linked: async () => {},
      link: { isLinked: true },
      [Symbol.asyncDispose]: async () => {},
    };
  }

  #live(process: SimulatedProcess): LiveChannel {
    return {
      publish: (message) => this.#send(this.#watchers.get(message.taskId) ?? nobody, message),
      isWatched: (taskId) => (this.#watchers.get(taskId)?.size ?? 0) > 0,
      subscribe: (taskId, hear) => {
        const listener = { process, hear };
        const listeners = this.#watchers.get(taskId) ?? new Set();
        this.#watchers.set(taskId, listeners.add(listener));
        return { [Symbol.dispose]: () => void listeners.delete(listener) };
      },
      [Symbol.asyncDispose]: async () => {},
    };
  }

  #send<Message>(listeners: Set<Listener<Message>>, message: Message): void {
    const { time, faults } = this.#options;
    for (const listener of listeners) {
      if (!listener.process.isAlive) listeners.delete(listener);
      else if (!this.#isCalm && time.random.chance(faults.lostMessages)) continue;
      else time.schedule(listener.process, this.#latency(), () => listener.hear(message));
    }
  }

  get #isCalm(): boolean {
    return this.#options.time.now > this.#options.faults.untilMs;
  }

  #latency(): number {
    const { time, faults } = this.#options;
    if (this.#isCalm) return time.random.delay(calmLatencyMs);
    if (time.random.chance(rareShare)) return time.random.delay(faults.rareLatencyMs);
    return time.random.delay(faults.latencyMs);
  }

  #call(asked: Omit<DoneCall, 'result'>, call: () => Promise<unknown>): Promise<unknown> {
    const { time, faults, onDone, note } = this.#options;
    const { process, method } = asked;
    const drawn = this.#isCalm ? 1 : time.random.next();
    return new Promise((resolve, reject) => {
      const answer = (settle: () => void): void => {
        time.schedule(process, this.#latency(), settle);
      };
      const fail = (moment: string): void => {
        note(`${process.name} ${method} fails ${moment}`);
        answer(() => reject(new OpspawnError('unavailable', `Simulated fault ${moment} ${method}`)));
      };
      time.schedule(time.world, this.#latency(), () => {
        if (drawn < faults.failBefore || time.now < this.outageUntil) return fail('before');
        call().then(
          (result) => {
            onDone({ ...asked, result });
            if (drawn < faults.failBefore + faults.failAfter) fail('after');
            else answer(() => resolve(result));
          },
          (error: unknown) => {
            note(`${process.name} ${method} is refused: ${String(error)}`);
            answer(() => reject(error));
          },
        );
      });
    });
  }
}

/** What workers of one process offer to do goes with the call that submits the task, and comes back with its answer. */
class Offers {
  readonly listeners: StoreListener[] = [];
  readonly #underway = new Map<string, Offer>();

  /** As the database sees it. */
  of(taskId: string): Offer | undefined {
    return this.#underway.get(taskId);
  }

  async submit(task: NewTask, call: (given: { begun?: ClaimedTask }) => Promise<unknown>): Promise<unknown> {
    const given: { begun?: ClaimedTask } = {};
    const offer = offerFor(task, this.listeners);
    if (offer === undefined) return await call(given);
    const begin = (claimed: ClaimedTask): void => {
      given.begun = claimed;
    };
    this.#underway.set(task.id, { ...offer, begin, end: () => {} });
    let isUnclear = true;
    try {
      const result = await call(given);
      isUnclear = false;
      if (given.begun !== undefined) offer.begin(given.begun);
      return result;
    } finally {
      this.#underway.delete(task.id);
      offer.end(isUnclear);
    }
  }
}

/** A commit happens in the database; its listeners hear of it where they live. */
function withListenersIn(
  process: SimulatedProcess,
  store: Store,
  { time, offers }: { time: VirtualTime; offers: Offers },
): Store {
  const tell =
    <Message>(hear: ((message: Message) => void) | undefined) =>
    (message: Message): void => {
      if (hear !== undefined) time.schedule(process, 0, () => hear(message));
    };
  const rerouted = (listener: StoreListener): StoreListener => ({
    ready: tell((queues) => listener.ready(queues)),
    changed: tell((taskIds) => listener.changed(taskIds)),
    posted: tell((taskIds) => listener.posted(taskIds)),
    due: tell((at) => listener.due?.(at)),
    offer: ({ id }) => offers.of(id),
  });
  return new Proxy(store, {
    get(target, key) {
      if (key === 'listen')
        return (listener: StoreListener) => {
          offers.listeners.push(listener);
          target.listen(rerouted(listener));
        };
      // All are played by one process, and each of them has a number of its own.
      if (key === 'registerWorker')
        return (worker: WorkerInfo, leaseTtlMs: number) =>
          target.registerWorker({ ...worker, pid: process.pid }, leaseTtlMs);
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
