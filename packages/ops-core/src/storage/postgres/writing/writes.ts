import { isIndependent, offerFor } from '../../offers.ts';
import type {
  AppendWrite,
  FinishWrite,
  NewTask,
  OwnedResult,
  StoreListener,
  SubmitResult,
  SubmitWrite,
  Write,
  WriteResults,
} from '../../store.ts';
import { newTurn, type Turn } from '../../turn.ts';
import type { StoreClock } from '../database/clock.ts';
import type { Connections } from '../database/connections.ts';
import { refusalOf } from '../database/failure.ts';
import { isPlainAppend, plainAppend } from './append.ts';
import { Batches } from './batches.ts';
import { isPlainFinish, plainFinish } from './finish.ts';
import type { PlainWrite } from './plain-write.ts';
import { begunSubmit, plainSubmit, type Submission } from './submit.ts';
import { encodeExpiries, encodeWrites, noteTold, type OverdueTask, writeAll } from './write-all.ts';

export interface WritesParts {
  readonly connections: Connections;
  readonly clock: StoreClock;
  readonly onCommit: (turn: Turn) => void;
  /** Asked who would begin a task. */
  readonly listeners: readonly StoreListener[];
}

type Answer = { readonly result: unknown } | { readonly error: unknown };

/** Group commit of all writes: the plain ones by kind, all others together. */
export class Writes implements AsyncDisposable {
  readonly #parts: WritesParts;
  readonly #submits: Batches<NewTask, SubmitResult | undefined>;
  readonly #begunSubmits: Batches<Submission, SubmitResult | undefined>;
  readonly #appends: Batches<AppendWrite, OwnedResult | undefined>;
  readonly #finishes: Batches<FinishWrite, OwnedResult | undefined>;
  readonly #others: Batches<Write, Answer>;

  constructor(parts: WritesParts) {
    this.#parts = parts;
    this.#submits = new Batches({
      send: (tasks) => this.#commitPlain(plainSubmit, tasks),
      lengthOf: (task) => task.input?.length ?? 0,
      halves: true,
    });
    this.#begunSubmits = new Batches({
      send: (submissions) => this.#commitBegun(submissions),
      lengthOf: ({ task }) => task.input?.length ?? 0,
    });
    this.#appends = this.#groupPlain(plainAppend, lengthOfWrite);
    this.#finishes = this.#groupPlain(plainFinish, lengthOfWrite);
    this.#others = new Batches({ send: (writes) => this.#commitAny(writes), lengthOf: lengthOfWrite });
  }

  async write<W extends Write>(write: W): Promise<WriteResults[W['op']]> {
    const result =
      write.op === 'submit' && isIndependent(write.task)
        ? await this.#submit(write)
        : ((await this.#writePlain(write)) ?? (await this.#writeAny(write)));
    return result as WriteResults[W['op']];
  }

  /** In one transaction; in one of its own those that were there before. */
  async submitMany(tasks: readonly NewTask[]): Promise<readonly SubmitResult[]> {
    const results = tasks.every(isIndependent) ? await this.#commitPlain(plainSubmit, tasks) : [];
    const left = tasks.filter((_, index) => results[index] === undefined);
    if (left.length === 0) return results as SubmitResult[];
    const others = await this.#commit(left.map((task) => ({ op: 'submit', task }))).catch(
      (thrown: unknown) => {
        throw refusalOf(thrown);
      },
    );
    let next = 0;
    return tasks.map((_, index) => results[index] ?? (others[next++] as SubmitResult));
  }

  /** Ends them, but for those that somebody took meanwhile. */
  async expire(tasks: readonly OverdueTask[]): Promise<void> {
    const { clock } = this.#parts;
    await this.#writeAll(encodeExpiries(tasks, clock.floor)).catch((thrown: unknown) => {
      throw refusalOf(thrown);
    });
  }

  /** Resolves when all that was asked for is answered. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const plain of [this.#submits, this.#begunSubmits, this.#appends, this.#finishes])
      await plain[Symbol.asyncDispose]();
    await this.#others[Symbol.asyncDispose]();
  }

  #writePlain(write: Write): Promise<unknown> | undefined {
    if (write.op === 'append' && isPlainAppend(write)) return this.#appends.add(write);
    if (write.op === 'finish' && isPlainFinish(write)) return this.#finishes.add(write);
    return undefined;
  }

  async #submit(write: SubmitWrite): Promise<SubmitResult> {
    const { task } = write;
    const offer = offerFor(task, this.#parts.listeners);
    let isUnclear = true;
    try {
      const made = await (offer === undefined
        ? this.#submits.add(task)
        : this.#begunSubmits.add({ task, offer }));
      const result = made ?? ((await this.#writeAny(write)) as SubmitResult);
      // It is there, and not by what was answered: a connection broke behind the commit.
      isUnclear = made === undefined && result.taskId === task.id;
      return result;
    } finally {
      offer?.end(isUnclear);
    }
  }

  /** Nearly always there is one worker only. */
  async #commitBegun(submissions: readonly Submission[]): Promise<readonly (SubmitResult | undefined)[]> {
    const groups = [...Map.groupBy(submissions, ({ offer }) => offer.workerId).values()];
    if (groups.length === 1) return this.#commitPlain(begunSubmit, submissions);
    const results = new Map<Submission, SubmitResult | undefined>();
    for (const group of groups) {
      const answers = await this.#commitPlain(begunSubmit, group);
      for (const [index, submission] of group.entries()) results.set(submission, answers[index]);
    }
    return submissions.map((submission) => results.get(submission));
  }

  async #writeAny(write: Write): Promise<unknown> {
    const answer = await this.#others.add(write);
    if ('error' in answer) throw answer.error;
    return answer.result;
  }

  #groupPlain<Item, Result, Row>(
    plain: PlainWrite<Item, Result, Row>,
    lengthOf: (item: Item) => number,
  ): Batches<Item, Result | undefined> {
    return new Batches({ send: (items) => this.#commitPlain(plain, items), lengthOf });
  }

  /** Results in the order of the items; undefined for what the statement did not do, all of them if need be. */
  async #commitPlain<Item, Result, Row>(
    plain: PlainWrite<Item, Result, Row>,
    items: readonly Item[],
  ): Promise<readonly (Result | undefined)[]> {
    const order = items
      .map((_, index) => index)
      .sort((a, b) => plain.sort(items[a] as Item, items[b] as Item));
    const sorted = order.map((index) => items[index] as Item);
    const { connections, clock, onCommit } = this.#parts;
    const rows = await attempt(() =>
      connections.run('writes', plain.statement(sorted), plain.encode(sorted, clock.floor)),
    );
    const row = rows?.[0];
    const results: (Result | undefined)[] = items.map(() => undefined);
    if (row === undefined) return results;
    const at = plain.atOf(row);
    clock.note(at);
    const turn = newTurn(at);
    for (const [position, result] of plain.answer(row, sorted, turn).entries())
      results[order[position] as number] = result;
    onCommit(turn);
    return results;
  }

  /** A write that the database refuses is refused alone: the batch is halved until it stands alone. */
  async #commitAny(writes: readonly Write[]): Promise<readonly Answer[]> {
    try {
      return (await this.#commit(writes)).map((result) => ({ result }));
    } catch (thrown) {
      if (isUnavailable(thrown) || writes.length === 1)
        return writes.map(() => ({ error: refusalOf(thrown) }));
      const middle = Math.ceil(writes.length / 2);
      const before = await this.#commitAny(writes.slice(0, middle));
      return [...before, ...(await this.#commitAny(writes.slice(middle)))];
    }
  }

  #commit(writes: readonly Write[]): Promise<readonly unknown[]> {
    return this.#writeAll(encodeWrites(writes, this.#parts.clock.floor));
  }

  async #writeAll(encoded: unknown[]): Promise<readonly unknown[]> {
    const { connections, clock, onCommit } = this.#parts;
    const rows = await connections.run('writes', writeAll, encoded);
    const { at, results, told } = (rows[0] as (typeof rows)[number])[0];
    clock.note(at);
    const turn = newTurn(at);
    noteTold(turn, told);
    onCommit(turn);
    return results;
  }
}

/** undefined when the data is at fault, and not the database. */
async function attempt<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await work();
  } catch (thrown) {
    if (isUnavailable(thrown)) throw thrown;
    return undefined;
  }
}

const isUnavailable = (thrown: unknown): boolean =>
  thrown instanceof Error && 'code' in thrown && thrown.code === 'unavailable';

function lengthOfWrite(write: Write): number {
  if (write.op === 'submit') return write.task.input?.length ?? 0;
  if (write.op === 'post') return write.item.data?.length ?? 0;
  if (write.op === 'reopen') return 0;
  return write.entries.reduce((sum, { data }) => sum + (data?.length ?? 0), 0);
}
