/** Who uses the deployment: clients that submit until they are answered, and a person who looks after what waits. */
import { OpspawnError } from '@opspawn/agentkit';
import type { CreateTask, OpenWait, Resolution, Task } from '@opspawn/sdk';
import { localPrincipal } from '../../packages/ops-core/src/auth/principal.ts';
import type { Engine } from '../../packages/ops-core/src/tasks/engine-interface.ts';
import type { Fleet } from './fleet.ts';
import { drawProgram } from './programs.ts';
import type { Random } from './random.ts';
import type { Record } from './record.ts';
import type { VirtualTime } from './virtual-time.ts';

interface ClientOptions {
  time: VirtualTime;
  fleet: Fleet;
  record: Record;
}

/** A signal that was answered. */
export interface SentSignal {
  taskId: string;
  id: string;
  data: string;
}

const answerMs = 5_000;
const pauseMs = 300;
/** What a call may be answered because the task has gone on meanwhile. */
const overtaken: ReadonlySet<string> = new Set(['wrong_state', 'not_found', 'already_decided']);

class NoAnswer extends Error {}

export class Clients {
  /** Acknowledged tasks, by the key under which they were submitted. */
  readonly acknowledged = new Map<string, string>();
  readonly signals: SentSignal[] = [];
  readonly #options: ClientOptions;
  #unanswered = 0;
  #sent = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** Whether everything that was to be submitted is acknowledged. */
  get areDone(): boolean {
    return this.#unanswered === 0;
  }

  /** Submits after a while, and again until it is answered. */
  submit(key: string, request: CreateTask, afterMs: number): void {
    this.#unanswered += 1;
    const { record } = this.#options;
    const submitted = this.#sleep(afterMs)
      .then(() => this.#untilAnswered((engine) => engine.submit(localPrincipal, request)))
      .then(({ task }) => {
        record.note(`${key} is acknowledged as ${record.label(task.id)}`);
        this.acknowledged.set(key, task.id);
      });
    submitted
      .catch((error: unknown) => record.problem(`${key} is refused: ${String(error)}`))
      .finally(() => {
        this.#unanswered -= 1;
      });
  }

  /** One look at what there is. `isFinal`: answers all that waits, so that it ends. */
  async lookAfter(isFinal: boolean): Promise<void> {
    const query = { status: ['pending', 'running', 'waiting', 'paused', 'failed'] as const, limit: 100 };
    const listed = await this.#ask((engine) => engine.list(localPrincipal, query)).catch(() => undefined);
    for (const task of listed?.items ?? []) {
      if (task.status === 'waiting') for (const wait of task.waits) this.#answer(task, wait, isFinal);
      else if (task.status === 'paused' && this.#wants(isFinal, 0.5))
        this.#act(task, (engine) => engine.resume(localPrincipal, task.id));
      else if (!isFinal) this.#interfere(task);
    }
  }

  #answer(task: Task, { kind, step, name }: OpenWait, isFinal: boolean): void {
    if (!this.#wants(isFinal, 0.5)) return;
    const { random } = this.#options.time;
    if (kind === 'doubt') {
      const resolution = random.pick([
        { action: 'retry' },
        { action: 'result', result: 'by hand' },
        { action: 'fail' },
      ] satisfies readonly [Resolution, ...Resolution[]]);
      this.#act(task, (engine) => engine.resolve(localPrincipal, task.id, step, resolution));
    } else if (kind === 'approval') {
      const approved = random.chance(0.5);
      this.#act(task, (engine) => engine.decide(localPrincipal, task.id, step, { approved }));
    } else if (kind === 'signal') this.#signal(task, name);
  }

  #signal(task: Task, name: string): void {
    const { random } = this.#options.time;
    this.#sent += 1;
    const data = `signal ${this.#sent}`;
    const id = `00000000-0000-7${random.hex(3)}-a${random.hex(3)}-${random.hex(12)}`;
    this.#untilAnswered((engine) => engine.signal(localPrincipal, task.id, { name, data, id })).then(
      () => this.signals.push({ taskId: task.id, id, data }),
      this.#mayBeOvertaken,
    );
  }

  /** Now and then somebody changes their mind. */
  #interfere(task: Task): void {
    const drawn = this.#options.time.random.next();
    if (task.status === 'failed') {
      if (drawn < 0.3) this.#act(task, (engine) => engine.retry(localPrincipal, task.id));
    } else if (drawn < 0.02) this.#act(task, (engine) => engine.cancel(localPrincipal, task.id, {}));
    else if (drawn < 0.05) this.#act(task, (engine) => engine.pause(localPrincipal, task.id));
  }

  #act(task: Task, call: (engine: Engine) => Promise<unknown>): void {
    if (task.parentId !== undefined && task.status === 'failed') return;
    this.#ask(call).catch(this.#mayBeOvertaken);
  }

  readonly #mayBeOvertaken = (error: unknown): void => {
    const isExpected =
      error instanceof OpspawnError && (overtaken.has(error.code) || error.code === 'unavailable');
    if (!isExpected && !(error instanceof NoAnswer))
      this.#options.record.problem(`a call is refused: ${String(error)}`);
  };

  #wants(isFinal: boolean, probability: number): boolean {
    return isFinal || this.#options.time.random.chance(probability);
  }

  async #untilAnswered<Result>(call: (engine: Engine) => Promise<Result>): Promise<Result> {
    for (;;) {
      try {
        return await this.#ask(call);
      } catch (error) {
        const isPassing = error instanceof OpspawnError && error.code === 'unavailable';
        if (!isPassing && !(error instanceof NoAnswer)) throw error;
        await this.#sleep(pauseMs);
      }
    }
  }

  /** Asks one of the servers, which may die over it. */
  #ask<Result>(call: (engine: Engine) => Promise<Result>): Promise<Result> {
    const { time, fleet } = this.#options;
    const servers = fleet.servers();
    const server = servers[time.random.below(servers.length)];
    return new Promise((resolve, reject) => {
      const answer = (settle: () => void): void =>
        void time.schedule(time.world, time.random.delay(5), settle);
      time.schedule(time.world, answerMs, () => reject(new NoAnswer()));
      if (server === undefined) return;
      time.schedule(server.process, time.random.delay(5), () => {
        call(server.engine).then(
          (result) => answer(() => resolve(result)),
          (error: unknown) => answer(() => reject(error)),
        );
      });
    });
  }

  #sleep(ms: number): Promise<void> {
    const { time } = this.#options;
    return new Promise((resolve) => void time.schedule(time.world, ms, resolve));
  }
}

const limits = [
  { concurrencyKey: 'one', concurrencyLimit: 1 },
  { concurrencyKey: 'two', concurrencyLimit: 2 },
  { rateKey: 'paced', rateLimit: { count: 2, intervalMs: 1_000 } },
] as const;

export function drawRequest(random: Random, idempotencyKey: string): CreateTask {
  return {
    name: 'play',
    input: drawProgram(random),
    idempotencyKey,
    priority: random.between(3, 6),
    ...(random.chance(0.3) ? { sessionId: random.pick(['a', 'b']) } : {}),
    ...(random.chance(0.3) ? random.pick(limits) : {}),
    ...(random.chance(0.15) ? { delayMs: random.pick([500, 3_000]) } : {}),
    ...(random.chance(0.1) ? { attemptTimeoutMs: 3_000 } : {}),
  };
}
