import pg from 'pg';
import type { PickupFloor } from './pickup-floor.ts';

const insert = { name: 'insert', text: 'insert into jobs (payload) values ($1)' };
const claim = {
  name: 'claim',
  text: `update jobs set state = 1
    where id = (select id from jobs where state = 0 order by id limit 1 for update skip locked) returning payload`,
};

/** The same in PostgreSQL: two commits over one connection, nobody to be told, no history and no owner. */
export class PostgresPickup implements PickupFloor, AsyncDisposable {
  readonly #client: pg.Client;

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  static async open(url: string): Promise<PostgresPickup> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(`
      create table jobs (
        id bigint generated always as identity primary key, state smallint not null default 0, payload text not null
      );
      create index ready on jobs (id) where state = 0;
    `);
    return new PostgresPickup(client);
  }

  async submit(payload: string, handler: (payload: unknown) => void): Promise<void> {
    await this.#client.query({ ...insert, values: [payload] });
    const { rows } = await this.#client.query<{ payload: string }>(claim);
    handler(JSON.parse(rows[0]?.payload ?? 'null'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end();
  }
}
