import { DatabaseSync } from 'node:sqlite';
import type { PickupFloor } from './pickup-floor.ts';

/**
 * The least that a durable pickup in SQLite can do: a transaction that inserts the task, one that claims it, no history
 * and no owner.
 */
export class SqlitePickup implements PickupFloor, Disposable {
  readonly #database: DatabaseSync;
  readonly #insert;
  readonly #claim;

  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    this.#database.exec(`
      pragma journal_mode = wal;
      pragma synchronous = full;
      create table jobs (id integer primary key, state int not null default 0, payload text not null);
      create index ready on jobs (id) where state = 0;
    `);
    this.#insert = this.#database.prepare('insert into jobs (payload) values (?)');
    this.#claim = this.#database.prepare(
      'update jobs set state = 1 where id = (select id from jobs where state = 0 order by id limit 1) returning payload',
    );
  }

  /** Submits a task, and calls the handler with it once it is claimed. Each step has a turn of the event loop. */
  async submit(payload: string, handler: (payload: unknown) => void): Promise<void> {
    await nextTurn();
    this.#insert.run(payload);
    await nextTurn();
    const claimed = this.#claim.get();
    handler(JSON.parse(String(claimed?.payload)));
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
