import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Queue, QueueAdapter } from './queue.ts';

/**
 * The least that a durable queue in SQLite can do: one table, one index, group commit; no history, no owner, no
 * priority. What is submitted in a turn of the event loop is one transaction, and so are 100 ends.
 */
export const sqliteFloor: QueueAdapter = {
  open: async (path) => new SqliteFloor(path),
};

const doNothing = async (): Promise<void> => {};

const schema = `
  pragma journal_mode = wal;
  pragma synchronous = full;
  pragma busy_timeout = 5000;
  create table jobs (
    id integer primary key, state int not null default 0, payload text not null, created int, started int, ended int
  );
  create index ready on jobs (id) where state = 0;
`;

class SqliteFloor implements Queue {
  readonly #database: DatabaseSync;
  readonly #insert;
  readonly #claim;
  readonly #end;
  #submitted: { payload: string; resolve: () => void }[] = [];
  #onSubmit: (() => void) | undefined;

  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    this.#database.exec(schema);
    this.#insert = this.#database.prepare('insert into jobs (payload, created) values (?, ?)');
    this.#claim = this.#database.prepare(
      `update jobs set state = 1, started = ?
       where id in (select id from jobs where state = 0 order by id limit 100) returning id, payload`,
    );
    this.#end = this.#database.prepare('update jobs set state = 2, ended = ? where id = ?');
  }

  submit(payload: string): Promise<void> {
    return new Promise((resolve) => {
      this.#submitted.push({ payload, resolve });
      if (this.#submitted.length === 1) setImmediate(this.#flush);
    });
  }

  readonly #flush = (): void => {
    const submitted = this.#submitted;
    this.#submitted = [];
    this.#transaction(() => {
      for (const { payload } of submitted) this.#insert.run(payload, Date.now());
    });
    this.#onSubmit?.();
    for (const { resolve } of submitted) resolve();
  };

  work(onDone: (count: number) => void): AsyncDisposable {
    let isStopped = false;
    const working = (async () => {
      while (!isStopped) {
        const jobs = this.#claim.all(Date.now());
        if (jobs.length === 0) await this.#nextSubmit();
        for (const { payload } of jobs) {
          JSON.parse(String(payload));
          await doNothing();
        }
        this.#transaction(() => {
          for (const { id } of jobs) this.#end.run(Date.now(), id ?? null);
        });
        onDone(jobs.length);
        await nextTurn();
      }
    })();
    return {
      [Symbol.asyncDispose]: async () => {
        isStopped = true;
        this.#onSubmit?.();
        await working;
      },
    };
  }

  async #nextSubmit(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onSubmit = resolve;
    });
  }

  #transaction(work: () => void): void {
    this.#database.exec('begin immediate');
    work();
    this.#database.exec('commit');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#database.close();
  }
}
