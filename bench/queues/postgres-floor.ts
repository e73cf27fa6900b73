import pg from 'pg';
import type { Queue, QueueAdapter } from './queue.ts';

/**
 * The least that a durable queue in PostgreSQL can do: one table, one index, group commit with prepared multi-row
 * statements; no history, no owner, no priority. Two batches at most are in flight, and two loops claim 100 tasks each.
 */
export const postgresFloor: QueueAdapter = {
  services: ['postgres'],
  async open(url) {
    const pool = new pg.Pool({ connectionString: url, max: 5 });
    await pool.query(`
      create table jobs (
        id bigint generated always as identity primary key, state smallint not null default 0, payload text not null,
        created timestamptz not null default now(), started timestamptz, ended timestamptz
      ) with (fillfactor = 70);
      create index ready on jobs (id) where state = 0;
    `);
    return new PostgresFloor(pool);
  },
};

const doNothing = async (): Promise<void> => {};

const insert = { name: 'insert', text: 'insert into jobs (payload) select unnest($1::text[])' };
const claim = {
  name: 'claim',
  text: `update jobs j set state = 1, started = now()
    from (select id from jobs where state = 0 order by id limit 100 for update skip locked) c
    where j.id = c.id returning j.id, j.payload`,
};
const end = { name: 'end', text: 'update jobs set state = 2, ended = now() where id = any($1::bigint[])' };

class PostgresFloor implements Queue {
  readonly #pool: pg.Pool;
  #submitted: { payload: string; resolve: () => void }[] = [];
  #inFlight = 0;
  #isArmed = false;
  readonly #waiting: (() => void)[] = [];

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  submit(payload: string): Promise<void> {
    return new Promise((resolve) => {
      this.#submitted.push({ payload, resolve });
      this.#arm();
    });
  }

  #arm(): void {
    if (this.#isArmed || this.#inFlight === 2) return;
    this.#isArmed = true;
    setImmediate(() => {
      this.#isArmed = false;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    const submitted = this.#submitted.splice(0, 500);
    if (submitted.length === 0) return;
    this.#inFlight += 1;
    await this.#pool.query({ ...insert, values: [submitted.map(({ payload }) => payload)] });
    this.#inFlight -= 1;
    this.#wake();
    for (const { resolve } of submitted) resolve();
    if (this.#submitted.length > 0) this.#arm();
  }

  work(onDone: (count: number) => void): AsyncDisposable {
    const stopping = new AbortController();
    const loops = [0, 1].map(() => this.#claimLoop(stopping.signal, onDone));
    return {
      [Symbol.asyncDispose]: async () => {
        stopping.abort();
        this.#wake();
        await Promise.all(loops);
      },
    };
  }

  async #claimLoop(signal: AbortSignal, onDone: (count: number) => void): Promise<void> {
    while (!signal.aborted) {
      const nextSubmit = new Promise<void>((resolve) => this.#waiting.push(resolve));
      const { rows } = await this.#pool.query<{ id: string; payload: string }>(claim);
      for (const { payload } of rows) {
        JSON.parse(payload);
        await doNothing();
      }
      if (rows.length > 0) await this.#pool.query({ ...end, values: [rows.map(({ id }) => id)] });
      else if (!signal.aborted) await nextSubmit;
      onDone(rows.length);
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.end();
  }
}
