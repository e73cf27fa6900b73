import pg from 'pg';

export interface Place extends AsyncDisposable {
  readonly name: string;
}

/** An empty database of its own on that server, gone when it is disposed. `name`: its URL. */
export async function newDatabase(serverUrl: string): Promise<Place> {
  const onServer = async (sql: string): Promise<void> => {
    const client = new pg.Client({ connectionString: serverUrl });
    await client.connect();
    await client.query(sql);
    await client.end();
  };
  const database = `bench_${process.pid}_${Date.now()}`;
  await onServer(`create database ${database}`);
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return {
    name: url.href,
    async [Symbol.asyncDispose]() {
      await onServer(`drop database ${database} with (force)`);
      // What this round left to write must not be written during the next one.
      await onServer('checkpoint');
    },
  };
}
