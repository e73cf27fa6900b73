/**
 * What a namespace may submit. Counting is left to the store and remembered for a second, so that the hot path asks
 * nothing: a process by itself never lets more in than it may; several together let in at most what each of them accepts
 * within that second.
 */
import { OpspawnError } from '@opspawn/agentkit';
import type { NamespaceSettings } from '@opspawn/sdk';
import type { NewTask, Store } from '../storage/store.ts';

const freshMs = 1_000;
const minuteMs = 60_000;

/** A number of tasks that is known from a count and from what was let in since. */
class Gauge {
  readonly quota: 'pendingTasks' | 'submissionsPerMinute';
  allowed = 0;
  readonly #count: (limit: number) => Promise<number>;
  #known = 0;
  #countedAt = Number.NEGATIVE_INFINITY;
  #counting: Promise<void> | undefined;
  /** Let in and not answered yet: a count may see them or not. */
  #inFlight = 0;

  constructor(quota: Gauge['quota'], count: (limit: number) => Promise<number>) {
    this.quota = quota;
    this.#count = count;
  }

  get used(): number {
    return this.#known;
  }

  get isFresh(): boolean {
    return performance.now() - this.#countedAt < freshMs;
  }

  hasRoom(tasks: number): boolean {
    return this.#known + tasks <= this.allowed;
  }

  letIn(tasks: number): void {
    this.#known += tasks;
    this.#inFlight += tasks;
  }

  answered(tasks: number): void {
    this.#inFlight -= tasks;
  }

  /** One count at a time. */
  async recount(): Promise<void> {
    this.#counting ??= this.#countAgain().finally(() => {
      this.#counting = undefined;
    });
    await this.#counting;
  }

  async #countAgain(): Promise<void> {
    const before = this.#known;
    const inFlight = this.#inFlight;
    // One more than is allowed says enough.
    const counted = await this.#count(this.allowed + 1);
    this.#known = counted + inFlight + (this.#known - before);
    this.#countedAt = performance.now();
  }
}

interface Gauges {
  readonly pending: Gauge;
  readonly minute: Gauge;
  /** Unix ms: the first submission that still counts for the minute. */
  firstAt: number | undefined;
}

type Quotas = NonNullable<NamespaceSettings['quotas']>;

export class QuotaGuard {
  readonly #store: Pick<Store, 'pending' | 'submitted' | 'now'>;
  readonly #gauges = new Map<string, Gauges>();

  constructor(store: Pick<Store, 'pending' | 'submitted' | 'now'>) {
    this.#store = store;
  }

  /** Throws `quota_exceeded`, else runs `submit`. All tasks are of one namespace. */
  async admit<Result>(
    quotas: Quotas,
    tasks: readonly NewTask[],
    submit: () => Promise<Result>,
  ): Promise<Result> {
    checkPayloads(quotas, tasks);
    const gauges = this.#gaugesOf(tasks[0]?.namespace ?? '');
    const asked = tasks.length;
    const counted = inForce(gauges, quotas);
    const full = await letIn(counted, asked);
    if (full !== undefined) throw await this.#exceeded(full, gauges, asked);
    try {
      return await submit();
    } finally {
      for (const gauge of counted) gauge.answered(asked);
    }
  }

  async #exceeded(
    { quota, allowed, used }: Gauge,
    { firstAt }: Gauges,
    asked: number,
  ): Promise<OpspawnError> {
    const counts = { allowed, used, asked };
    if (quota === 'pendingTasks' || asked > allowed) return exceeded(quota, counts);
    // Until the first submission of the last minute counts no more.
    const now = await this.#store.now();
    return exceeded(quota, counts, Math.max(1_000, (firstAt ?? now) + minuteMs - now));
  }

  #gaugesOf(namespace: string): Gauges {
    const known = this.#gauges.get(namespace);
    if (known !== undefined) return known;
    const gauges: Gauges = {
      firstAt: undefined,
      pending: new Gauge('pendingTasks', (limit) => this.#store.pending(namespace, limit)),
      minute: new Gauge('submissionsPerMinute', async (limit) => {
        const since = (await this.#store.now()) - minuteMs;
        const { count, firstAt } = await this.#store.submitted(namespace, since, limit);
        gauges.firstAt = firstAt;
        return count;
      }),
    };
    this.#gauges.set(namespace, gauges);
    return gauges;
  }
}

function inForce({ pending, minute }: Gauges, { pendingTasks, submissionsPerMinute }: Quotas): Gauge[] {
  const quotas = [
    [pending, pendingTasks],
    [minute, submissionsPerMinute],
  ] as const;
  return quotas.flatMap(([gauge, allowed]) => {
    if (allowed === undefined) return [];
    gauge.allowed = allowed;
    return [gauge];
  });
}

/** Nothing is awaited between the check and the entry. Gives the one that is full, after it was counted anew. */
async function letIn(gauges: readonly Gauge[], tasks: number): Promise<Gauge | undefined> {
  for (const gauge of gauges) if (!gauge.isFresh) await gauge.recount();
  for (let isRecounted = false; ; isRecounted = true) {
    const full = gauges.find((gauge) => !gauge.hasRoom(tasks));
    if (full === undefined) {
      for (const gauge of gauges) gauge.letIn(tasks);
      return undefined;
    }
    if (isRecounted) return full;
    await full.recount();
  }
}

function checkPayloads({ payloadBytes }: Quotas, tasks: readonly NewTask[]): void {
  if (payloadBytes === undefined) return;
  for (const { input } of tasks) {
    const asked = input === undefined ? 0 : Buffer.byteLength(input);
    if (asked > payloadBytes) throw exceeded('payloadBytes', { allowed: payloadBytes, asked });
  }
}

const words = {
  pendingTasks: 'so many tasks may be pending',
  submissionsPerMinute: 'so many tasks may be submitted a minute',
  payloadBytes: 'a task’s input may have so many bytes',
} as const;

/** Trying again can help unless one request asks for more than there ever is. */
function exceeded(
  quota: keyof typeof words,
  counts: { allowed: number; used?: number; asked: number },
  retryAfterMs?: number,
): OpspawnError {
  return new OpspawnError(
    'quota_exceeded',
    `The quota ${quota} of this namespace is ${counts.allowed}: only ${words[quota]}`,
    {
      details: { quota, ...counts },
      retryable: counts.asked <= counts.allowed,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  );
}
