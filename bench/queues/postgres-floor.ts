import pg from 'pg';
import type { Queue, QueueAdapter } from './queue.ts';

/**
 * The least that a durable queue in PostgreSQL can do: one table, one index, group commit with prepared multi-row
 * statements; no history, no owner, no priority. Two batches at most are in flight, and 100 tasks are claimed at once.
 */
export const postgresFloor: QueueAdapter = {
  service: 'postgres',
  async open(url) {
    const pool = new pg.Pool({ connectionString: url, max: 5 });
    await pool.query(`
      create table jobs (
        id bigint generated always as identity primary key, state smallint not null default 0, payload text not null,
        created timestamptz not null default now(), started timestamptz, ended timestamptz
      );
      create index ready on jobs (id) where state = 0;
    `);
    return new PostgresFloor(pool);
  },
};

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
  #onSubmit: (() => void) | undefined;

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
    this.#onSubmit?.();
    for (const { resolve } of submitted) resolve();
    if (this.#submitted.length > 0) this.#arm();
  }

  work(onDone: (count: number) => void): AsyncDisposable {
    let isStopped = false;
    const working = (async () => {
      const ending = new Set<Promise<void>>();
      while (!isStopped) {
        const nextSubmit = this.#nextSubmit();
        const { rows } = await this.#pool.query<{ id: string; payload: string }>(claim);
        if (rows.length === 0) {
          await Promise.race([nextSubmit, ...ending]);
          continue;
        }
        for (const { payload } of rows) JSON.parse(payload);
        const ended = this.#end(rows, onDone).finally(() => ending.delete(ended));
        ending.add(ended);
        if (ending.size > 1) await Promise.race(ending);
      }
      await Promise.all(ending);
    })();
    return {
      [Symbol.asyncDispose]: async () => {
        isStopped = true;
        this.#onSubmit?.();
        await working;
      },
    };
  }

  async #end(rows: readonly { id: string }[], onDone: (count: number) => void): Promise<void> {
    await this.#pool.query({ ...end, values: [rows.map(({ id }) => id)] });
    onDone(rows.length);
  }

  async #nextSubmit(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onSubmit = resolve;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.end();
  }
}
