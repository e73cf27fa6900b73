import {
  countTasks,
  type DatabaseStatus,
  describeVersion,
  type EndCount,
  endCounts,
  type StateCount,
  stateCounts,
  workerCount,
} from '../../status.ts';
import { readMigrations, readVersion } from './migrate.ts';
import { readMoved } from './moved.ts';
import { withClient } from './open-store.ts';

/** Throws as `openPostgresStore` does, but for a database of a later program, which is described. */
export async function readPostgresStatus(url: string): Promise<DatabaseStatus> {
  return await withClient(url, async (client) => {
    const version = await readVersion(client);
    if (version > 0) await client.query('set search_path = opspawn');
    const read = async <Row extends unknown[]>(sql: string): Promise<Row[]> =>
      version === 0 ? [] : (await client.query<Row>({ text: sql, rowMode: 'array' })).rows;
    const { rows } = await client.query<{ version: string; size: number }>(
      `select current_setting('server_version') as version, pg_database_size(current_database()) as size`,
    );
    const [server] = rows;
    const moved = await readMoved(client);
    return {
      engine: `PostgreSQL ${server?.version.split(' ')[0]}`,
      schema: describeVersion(
        version,
        readMigrations().map((migration) => migration.version),
      ),
      ...(moved === undefined ? {} : { moved }),
      sizeBytes: server?.size ?? 0,
      tasks: countTasks(await read<StateCount>(stateCounts), await read<EndCount>(endCounts)),
      workers: (await read<[number]>(workerCount))[0]?.[0] ?? 0,
    };
  });
}
