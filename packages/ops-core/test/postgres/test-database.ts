/** Databases for tests, cloned from one that holds the schema and nothing else. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { prepareDatabase } from '../../src/storage/postgres/database/open-store.ts';

const serverUrl = process.env.OPSPAWN_TEST_POSTGRES_URL;
/** What `it` and `describe` take where no server was given; in CI `npm test` counts a skip as a failure. */
export const skipWithoutPostgres =
  serverUrl === undefined
    ? 'OPSPAWN_TEST_POSTGRES_URL is not set: run npm test, or npm run services -- start'
    : false;

export interface TestDatabase extends AsyncDisposable {
  readonly url: string;
}

async function onServer<Result>(
  work: (client: pg.Client) => Promise<Result>,
  url = serverUrl,
): Promise<Result> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function urlOf(database: string): string {
  const url = new URL(serverUrl ?? '');
  url.pathname = `/${database}`;
  return url.href;
}

/** An empty database, without our schema. */
export async function createEmptyDatabase(template = 'template0'): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await onServer((client) => client.query(`create database ${name} template ${template}`));
  return {
    url: urlOf(name),
    async [Symbol.asyncDispose]() {
      await onServer((client) => client.query(`drop database ${name} with (force)`));
    },
  };
}

let template: Promise<string> | undefined;

/** A database with our schema and no rows. The template is made once by each process. */
export async function createTestDatabase(): Promise<TestDatabase> {
  template ??= createTemplate();
  return createEmptyDatabase(await template);
}

async function createTemplate(): Promise<string> {
  const { url } = await createEmptyDatabase();
  await prepareDatabase(url);
  return new URL(url).pathname.slice(1);
}

/** Deletes all rows of our tables: faster than another database. A URL costs another connection, a client does not. */
export async function emptyDatabase(database: string | pg.Client): Promise<void> {
  if (typeof database === 'string') return await onServer(emptyDatabase, database);
  const { rows } = await database.query<{ name: string }>(
    "select tablename as name from pg_tables where schemaname = 'opspawn' and tablename <> 'migrations'",
  );
  await database.query(rows.map(({ name }) => `delete from opspawn.${name};`).join(' '));
}

/** Whether the server, if there is one, has pgvector to give. */
export async function canAddPgvector(): Promise<boolean> {
  if (serverUrl === undefined) return false;
  const found = await onServer((client) =>
    client.query("select from pg_available_extensions where name = 'vector'"),
  );
  return found.rowCount === 1;
}

/** Into a schema that no search path names. */
export async function addPgvector(url: string): Promise<void> {
  await onServer(
    (client) => client.query('create schema "Of vectors"; create extension vector schema "Of vectors"'),
    url,
  );
}
