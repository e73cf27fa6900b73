import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { connectionOptions } from './connection-options.ts';
import {
  atConnecting,
  databaseClosed,
  databaseUnavailable,
  isAway,
  isDiskFull,
  isPassing,
} from './failure.ts';
import { HangWatch } from './hang-watch.ts';
import { fromJsonText, fromText } from './text.ts';

/** A prepared statement; its rows are tuples of the columns in the order of the SQL. */
export interface Statement<_Row> {
  readonly name: string;
  readonly text: string;
}

/** The type is what the SQL beside it says. */
export const statement = <Row>(name: string, text: string): Statement<Row> => ({ name, text });

/** How a part of the store runs a statement. */
export type Run = <R>(
  purpose: 'writes' | 'reads',
  query: Statement<R>,
  values: readonly unknown[],
) => Promise<R[]>;

/**
 * Plans of the hot statements are made once and must fit empty and full tables alike. Left to itself the planner takes
 * 20 ms to plan a claim behind many dead rows, or keeps the plan that fitted an empty table (ADR 0010).
 */
export const pinnedPlans = `set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set enable_hashjoin = off;
  set enable_mergejoin = off; set jit = off`;

/**
 * What a role or a database may have set otherwise for all that connect. Statements here see what others committed while
 * they waited for a lock; in a stricter isolation they would count what is no longer so, or fail again and again. Rates
 * are told as numbers with all their digits.
 */
const ownDefaults = `set default_transaction_isolation = 'read committed'; set extra_float_digits = 1`;

export interface ConnectionsOptions {
  readonly url: string;
  /** Schemas in which names are looked up, first the functions', then the tables'. */
  readonly searchPath: string;
  /** At most; see `poolSizes`. */
  readonly connections: number;
  /** How long callers wait for a database that is away before they get `unavailable`, in ms. */
  readonly giveUpAfterMs: number;
}

type Purpose = 'writes' | 'claims' | 'reads';

/**
 * Hot writes have connections of their own: reading lists must not wait for them, nor be planned as they are. One is for
 * claims, at least one for each of the others; of 11 there are 6 for writes and 4 for reads.
 */
function poolSizes(connections: number): Record<Purpose, number> {
  const reads = Math.max(1, Math.floor((connections - 1) * 0.4));
  return { writes: Math.max(1, connections - 1 - reads), claims: 1, reads };
}

/** For a database that is there and slow, however soon callers give up, in ms. */
const leastAnswerMs = 2_000;
/** For a disk that is full: that is not over in a moment, and many would queue behind those who wait for it. */
const diskFullGiveUpAfterMs = 1_000;
/**
 * Sorts about a megabyte in less memory than that, so that it goes through a file beside the tables (or where
 * `temp_tablespaces` says) and nothing of it stays.
 */
const spill = `set local work_mem = '64kB';
  select count(*) from (select n from generate_series(1, 20000) n order by md5(n::text)) sorted`;
const backoffMs = { first: 20, last: 1_000 } as const;

const { INT8, TEXT, JSON: JSON_, JSONB } = pg.types.builtins;
const parsers: Readonly<Record<number, (text: string) => unknown>> = {
  // Times and numbers of rows: none is over 2^53.
  [INT8]: Number,
  [TEXT]: fromText,
  [JSON_]: fromJsonText,
  [JSONB]: fromJsonText,
};
const getTypeParser = ((oid: number, format?: 'text' | 'binary') =>
  parsers[oid] ?? pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser;

/** Settings of every connection to the database that reads rows. */
export const clientOptions = (url: string): pg.ClientConfig => ({
  ...connectionOptions(url),
  types: { getTypeParser },
});

/** The pool connects it by a callback. */
class PooledClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config);
    const connect = this.connect.bind(this);
    const marking = (done: (error: Error | null) => void): void =>
      connect((error: Error | null) => done(error && atConnecting(error)));
    this.connect = marking as typeof this.connect;
  }
}

/** The pools of one store. A lost connection is replaced at the next call. */
export class Connections implements AsyncDisposable {
  readonly #options: ConnectionsOptions;
  readonly #pools: Record<Purpose, pg.Pool>;
  readonly #hangWatch: HangWatch;
  #isClosed = false;
  /** Of performance.now(); while the database is away. */
  #awaySince: number | undefined;
  /** Something found no room on its disk, and nobody has looked since. */
  #wasDiskFull = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#hangWatch = new HangWatch(Math.max(options.giveUpAfterMs, leastAnswerMs));
    const sizes = poolSizes(options.connections);
    this.#pools = {
      writes: this.#open('writes', sizes.writes),
      claims: this.#open('claims', sizes.claims),
      reads: this.#open('reads', sizes.reads),
    };
  }

  #open(purpose: Purpose, max: number): pg.Pool {
    const plans = purpose === 'reads' ? '' : pinnedPlans;
    const settings = `set search_path = ${this.#options.searchPath}; ${ownDefaults}; ${plans}`;
    const pool = new pg.Pool({
      ...clientOptions(this.#options.url),
      Client: PooledClient,
      max,
      idleTimeoutMillis: 60_000,
      // Awaited by the pool, whatever its types say.
      onConnect: (async (client: pg.ClientBase) => {
        this.#hangWatch.begin(client);
        await client.query(settings);
      }) as (client: pg.ClientBase) => void,
    });
    // An idle connection broke: the next call makes another.
    pool.on('error', () => {});
    this.#hangWatch.watch(pool);
    return pool;
  }

  /**
   * Runs a statement in a transaction of its own. What is lost with a connection is sent again, as everything here may
   * be done twice. Throws `unavailable` when the database stays away, and what the server says of the statement itself.
   */
  async run<Row>(
    purpose: Purpose,
    { name, text }: Statement<Row>,
    values: readonly unknown[],
  ): Promise<Row[]> {
    const query = { name, text, values: [...values], rowMode: 'array' as const };
    let unansweredSince = performance.now();
    for (let delayMs: number = backoffMs.first; ; delayMs = Math.min(2 * delayMs, backoffMs.last)) {
      if (this.#isClosed) throw databaseClosed();
      try {
        const { rows } = await this.#pools[purpose].query(query);
        this.#awaySince = undefined;
        return rows as Row[];
      } catch (thrown) {
        if (isPassing(thrown)) unansweredSince = performance.now();
        else this.#noteFailure(thrown, unansweredSince);
        await sleep(delayMs * (0.5 + Math.random() / 2));
      }
    }
  }

  /** VACUUM and the like: on a connection for reads, without a plan or a second try. */
  async runOnce(sql: string): Promise<unknown[][]> {
    const { rows } = await this.#pools.reads.query({ text: sql, rowMode: 'array' });
    return rows as unknown[][];
  }

  /** Throws `unavailable` while the disk is full, once that was seen. */
  async checkRoom(): Promise<void> {
    if (!this.#wasDiskFull) return;
    try {
      await this.runOnce(spill);
    } catch (thrown) {
      if (isDiskFull(thrown)) throw databaseUnavailable(thrown);
    }
    this.#wasDiskFull = false;
  }

  /** Throws when it is not worth trying again: the database is away for long, or this caller has waited for as long. */
  #noteFailure(thrown: unknown, unansweredSince: number): void {
    if (this.#isClosed) throw databaseClosed();
    if (!isAway(thrown)) throw thrown;
    this.#awaySince ??= unansweredSince;
    const isFull = isDiskFull(thrown);
    if (isFull) this.#wasDiskFull = true;
    const { giveUpAfterMs } = this.#options;
    const patienceMs = isFull ? Math.min(giveUpAfterMs, diskFullGiveUpAfterMs) : giveUpAfterMs;
    const since = Math.min(this.#awaySince, unansweredSince);
    if (performance.now() - since > patienceMs) throw databaseUnavailable(thrown);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.all(Object.values(this.#pools).map((pool) => pool.end()));
    this.#hangWatch[Symbol.dispose]();
  }
}
