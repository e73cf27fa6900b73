/**
 * A worker claims tasks and runs them. It wakes up by doorbells and timers, keeps its lease from a thread of its own,
 * and takes over what dead workers left. When its lease is lost it stops all that it runs, since every later write
 * would be refused, and goes on under a new identity.
 */
import { hostname } from 'node:os';
import { type ChildRequest, encodeJson, OpspawnError, type Steps } from '@opspawn/agentkit';
import type { Doorbell } from '../../broker/broker.ts';
import type { Bus } from '../../broker/bus.ts';
import { deadlineExceeded } from '../../domain/deadline.ts';
import type { Log } from '../../observe/log.ts';
import type { ClaimedTask, NewTask, Offer, Store } from '../../storage/store.ts';
import { defaultPriority, storedTimeoutMs, takeoverMarginMs } from '../create-task.ts';
import { DefinitionCatalog } from '../definitions/catalog.ts';
import type { Registry } from '../definitions/registry.ts';
import type { ChildTask, DurableOptions } from '../durable/port.ts';
import { sharedBudget } from '../task-budget.ts';
import { limitsOf } from '../task-limits.ts';
import { parseTaskOptions } from '../task-view.ts';
import { Upkeep } from '../upkeep.ts';
import { Attempt, leaseLost, type StopCause } from './attempt.ts';
import { ClaimLoop } from './claim-loop.ts';
import { type Charge, FairShare } from './fair-share.ts';
import { Lacking } from './lacking.ts';
import type { LeaseThread } from './lease.ts';
import { Membership } from './membership.ts';
import { Offers } from './offers.ts';
import { Pulse, timeLeftMs } from './pulse.ts';
import { type AttemptEnvironment, runAttempt } from './run-attempt.ts';
import { ShareWeights } from './share-weights.ts';
import { StoreTime } from './store-time.ts';

export interface WorkerOptions {
  store: Store;
  bus: Bus;
  registry: Registry;
  log: Log;
  /** Under which its definitions are registered. */
  namespace: string;
  /** Tasks at once. */
  capacity: number;
  /** Beside those that its definitions name. */
  queues: readonly string[];
  /** Start of this process, as the store tells processes apart. */
  processStart: string;
  leaseTtlMs: number;
  /** Absent: the lease is renewed from this thread. */
  leaseThread?: LeaseThread;
  durable?: Omit<DurableOptions, 'mode' | 'defaultRetry' | 'budget'>;
  /** Stands between a function and its steps: for tests that watch or kill it there. Default: nothing does. */
  wrapSteps?: (steps: Steps, task: ClaimedTask) => Steps;
}

export interface Worker extends AsyncDisposable {
  /** Changes when a lease was lost. */
  readonly id: string;
  /** Attempts that run now. */
  readonly running: number;
  /** Records an error that nobody caught on the task whose code it came from. */
  noteUncaught(taskId: string, error: unknown): void;
  /**
   * Claims no more, lets running attempts end for at most `graceMs`, gives the others back without a failure, and
   * leaves. Disposing is the same with no grace.
   */
  drain(options: { graceMs: number }): Promise<void>;
}

/** A task that this worker has claimed. */
interface Taken {
  readonly task: ClaimedTask;
  readonly charge: Charge;
}

const defaultAttemptTimeoutMs = 3_600_000;
/** How long attempts that were told to stop may take before they are left behind. */
const stopMs = 2_000;

/** Registers the definitions and the worker, and begins to claim. Throws `unavailable`. */
export async function createWorker(options: WorkerOptions): Promise<Worker> {
  const { store, registry, namespace } = options;
  await store.registerDefinitions(registry.rows(namespace));
  const worker = new TaskWorker(options);
  await worker.start();
  return worker;
}

class TaskWorker implements Worker {
  readonly #options: WorkerOptions;
  readonly #environment: AttemptEnvironment;
  readonly #queues: readonly string[];
  readonly #catalog: DefinitionCatalog;
  readonly #claims: ClaimLoop<Taken>;
  readonly #offers: Offers;
  readonly #weights: ShareWeights;
  readonly #fairShare: FairShare;
  readonly #pulse: Pulse;
  #membership: Membership | undefined;
  #upkeep: Upkeep | undefined;
  #doorbell: Doorbell | undefined;
  readonly #time = new StoreTime();
  readonly #lacking: Lacking;
  /**
   * Answers to claims that were lost, and ends of attempts that could not be written, since it last gave back what it does
   * not run: it may hold tasks of which nobody here knows.
   */
  #unsure = 0;
  #draining: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;

  constructor(options: WorkerOptions) {
    const { store, bus, registry, log, durable = {}, wrapSteps = (steps) => steps } = options;
    this.#options = options;
    this.#environment = { registry, log, durable, wrapSteps, budgets: store.budgets };
    this.#queues = [...new Set([...options.queues, ...registry.queues()])];
    this.#catalog = new DefinitionCatalog(store);
    this.#lacking = new Lacking(registry.names());
    this.#weights = new ShareWeights(store);
    this.#fairShare = new FairShare(this.#weights);
    this.#pulse = new Pulse({
      live: bus.live,
      onError: (err) => log.warn({ err }, 'an inbox could not be read'),
    });
    this.#claims = new ClaimLoop({
      free: () => this.#free(),
      restMs: () => this.#lacking.restMs(performance.now()),
      claim: (limit) => this.#claim(limit),
      start: (taken) => this.#start(taken),
      onError: (err) => log.warn({ err }, 'tasks could not be claimed'),
      onEmpty: () => this.#upkeep?.promote(),
    });
    this.#offers = new Offers({
      attemptTimeoutMs: storedTimeoutMs(defaultAttemptTimeoutMs),
      begin: (task) => this.#begin(task),
      onUnclear: () => this.#noteUnsure(),
    });
  }

  get id(): string {
    return this.#membership?.current?.id ?? '';
  }

  get running(): number {
    return this.#pulse.size;
  }

  async start(): Promise<void> {
    const { store, bus, log, namespace, leaseTtlMs, leaseThread, processStart } = this.#options;
    await Promise.all([this.#catalog.refresh(namespace), this.#weights.refresh()]);
    this.#membership = await Membership.join({
      store,
      worker: {
        host: hostname(),
        pid: process.pid,
        processStart,
        queues: this.#queues,
        definitions: this.#options.registry.names(),
      },
      leaseTtlMs,
      leaseThread,
      log,
      onLost: () => this.#stopAll('lease_lost', leaseLost),
      onRejoined: () => void this.#claims.wake(),
    });
    store.listen({
      offer: (task) => this.#offer(task),
      ready: () => {},
      changed: () => {},
      posted: (taskIds) => this.#pulse.posted(taskIds),
      due: (dueAt) => this.#upkeep?.noteDue(dueAt),
    });
    this.#doorbell = bus.broker.subscribe(this.#queues, () => this.#claims.wake());
    this.#upkeep = new Upkeep({
      store,
      now: () => this.#time.now(),
      onSwept: () => {
        void this.#claims.wake();
        this.#catalog.keepFresh(namespace);
        this.#weights.keepFresh();
        if (this.#time.hasJumped())
          this.#askTime().catch((err: unknown) => log.warn({ err }, 'the time could not be asked'));
      },
      onError: (err) => log.warn({ err }, 'the sweep failed'),
    });
    void this.#claims.wake();
  }

  noteUncaught(taskId: string, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#pulse.attempt(taskId)?.steps?.log('error', `Nobody caught: ${message}`);
  }

  drain({ graceMs }: { graceMs: number }): Promise<void> {
    this.#draining ??= this.#drain(graceMs);
    return this.#draining;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain({ graceMs: 0 });
  }

  async #drain(graceMs: number): Promise<void> {
    this.#doorbell?.[Symbol.dispose]();
    await this.#claims.stop();
    await this.#offers.settled();
    await this.#upkeep?.[Symbol.asyncDispose]();
    await this.#idle(graceMs);
    this.#stopAll('shutdown', shuttingDown);
    await this.#idle(stopMs);
    this.#pulse[Symbol.dispose]();
    await this.#membership?.[Symbol.asyncDispose]();
  }

  /** Resolves when nothing runs, or after that time. */
  async #idle(timeoutMs: number): Promise<void> {
    if (this.#pulse.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #free(): number {
    return this.#options.capacity - this.#pulse.size - this.#offers.pending;
  }

  /** While nothing else waits that it could take: a task that others should go before is claimed in its turn. */
  #offer({ kind, name, queue }: NewTask): Offer | undefined {
    const identity = this.#membership?.current;
    const mayTake = this.#claims.spare > 0 && this.#unsure === 0;
    if (!mayTake || identity?.holds() !== true || !this.#queues.includes(queue)) return undefined;
    return this.#options.registry.get(kind, name) === undefined ? undefined : this.#offers.make(identity.id);
  }

  #begin(task: ClaimedTask): void {
    // As in a claim.
    if (task.workerId !== this.#membership?.current?.id) return;
    this.#start({ task, charge: this.#fairShare.started(task, performance.now()) });
  }

  async #claim(limit: number): Promise<readonly Taken[]> {
    const { store } = this.#options;
    const identity = this.#membership?.current;
    if (identity === undefined) return [];
    if (this.#unsure > 0) {
      await this.#offers.settled();
      const unsure = this.#unsure;
      await store.giveBackOthers(
        identity.id,
        this.#pulse.attempts().map(({ taskId, attempt }) => ({ taskId, attempt })),
      );
      this.#unsure -= unsure;
    }
    const askedAt = performance.now();
    const definitions = this.#lacking.wanted(askedAt);
    const request = {
      workerId: identity.id,
      queues: this.#queues,
      limit,
      attemptTimeoutMs: storedTimeoutMs(defaultAttemptTimeoutMs),
      shares: this.#fairShare.shares(askedAt),
      ...(definitions === undefined ? {} : { definitions }),
    };
    const tasks = await store.claim(request).catch((thrown: unknown) => {
      this.#unsure += 1;
      throw thrown;
    });
    const answeredAt = performance.now();
    if (definitions !== undefined) this.#lacking.looked(answeredAt - askedAt, answeredAt);
    if (tasks[0] !== undefined) this.#time.note(tasks[0].claimedAt, askedAt);
    // Claimed under an identity that was lost meanwhile: the sweep gives them to somebody.
    if (identity !== this.#membership?.current) return [];
    const charges = this.#fairShare.startedTogether(tasks, answeredAt);
    return tasks.map((task, index) => ({ task, charge: charges[index] as Charge }));
  }

  #start({ task, charge }: Taken): void {
    const { store, bus, registry } = this.#options;
    const identity = this.#membership?.current;
    if (registry.get(task.kind, task.name) === undefined) this.#lacking.noticed(performance.now());
    const attempt = new Attempt({
      task,
      store,
      live: bus.live,
      holdsLease: () => identity?.holds() === true,
      now: () => this.#time.now(),
      childTask: (parent, request) => this.#childTask(parent, request),
    });
    this.#pulse.add(attempt, task.deadlineAt - task.claimedAt - takeoverMarginMs, charge.startedAt);
    if (timeLeftMs(task) <= 0) attempt.stop('task_deadline', deadlineExceeded(task.taskDeadlineAt ?? 0, []));
    if (this.#pulse.size >= this.#options.capacity) this.#doorbell?.open(false);
    void runAttempt(attempt, this.#environment).then((isOver) => this.#end(attempt, charge, isOver));
  }

  #noteUnsure(): void {
    this.#unsure += 1;
    void this.#claims.wake();
  }

  #end(attempt: Attempt, charge: Charge, isOver: boolean): void {
    if (this.#pulse.size >= this.#options.capacity) this.#doorbell?.open(true);
    this.#pulse.remove(attempt);
    this.#fairShare.ended(attempt.task, charge, performance.now());
    if (!isOver) this.#noteUnsure();
    this.#claims.slotFreed();
    if (this.#pulse.size === 0) this.#onIdle?.();
  }

  #stopAll(cause: StopCause, error: (taskId: string) => OpspawnError): void {
    for (const attempt of this.#pulse.attempts()) attempt.stop(cause, error(attempt.taskId));
  }

  #childTask(parent: ClaimedTask, { kind, name, input, timeoutMs: atMostMs }: ChildRequest): ChildTask {
    const definition =
      this.#options.registry.get(kind, name) ?? this.#catalog.peek(parent.namespace, name, kind)[0];
    if (definition === undefined) throw unknownChild(kind, name);
    const text = encodeJson(input, 'input');
    const budget = sharedBudget(
      parent.taskId,
      parseTaskOptions(parent.options).budget,
      this.#options.registry.get(parent.kind, parent.name)?.budget,
    );
    const { concurrency, rate, timeoutMs: ownMs } = 'data' in definition ? definition.data : definition;
    const timeoutMs = atMostMs === undefined ? ownMs : Math.min(atMostMs, ownMs ?? atMostMs);
    const limits = limitsOf({
      request: {},
      definition: { kind, name, concurrency, rate },
      queue: definition.queue,
      shared: this.#catalog.limitKeys(parent.namespace),
    });
    return {
      namespace: parent.namespace,
      kind,
      name,
      queue: definition.queue,
      priority: defaultPriority,
      ...(text === undefined ? {} : { input: text }),
      ...(budget === undefined ? {} : { options: JSON.stringify({ budget }) }),
      ...(definition.attemptTimeoutMs === undefined
        ? {}
        : { attemptTimeoutMs: storedTimeoutMs(definition.attemptTimeoutMs) }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(limits.length === 0 ? {} : { limits }),
      ...(parent.sessionId === undefined ? {} : { sessionId: parent.sessionId }),
    };
  }

  /** Somebody set the date here, or the host slept: only the store knows what time it is. */
  async #askTime(): Promise<void> {
    const askedAt = performance.now();
    this.#time.note(await this.#options.store.now(), askedAt);
  }
}

const shuttingDown = (): OpspawnError => new OpspawnError('unavailable', 'The worker shuts down');

const unknownChild = (kind: string, name: string): OpspawnError =>
  new OpspawnError('invalid_argument', `No worker has registered the ${kind} "${name}"`, {
    details: { kind, name },
  });
