import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
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
import { openingFailure } from './failure.ts';
import { checkOurs, readMigrations, versionOf } from './migrate.ts';
import { readMoved } from './moved.ts';
import { checkFile } from './place.ts';
import { prepare } from './statement.ts';

/** Throws as `openSqliteStore` does, but for a database of a later program, which is described; `not_found` without a file. */
export function readSqliteStatus(path: string): DatabaseStatus {
  try {
    checkFile(path);
    using database = new DatabaseSync(path, { readOnly: true, returnArrays: true, timeout: 1_000 });
    const version = versionOf(database);
    checkOurs(database);
    const read = <Row extends unknown[]>(sql: string): Row[] =>
      version === 0 ? [] : prepare<[], Row>(database, sql).all();
    const moved = readMoved(database);
    return {
      engine: `SQLite ${process.versions.sqlite}`,
      schema: describeVersion(
        version,
        readMigrations().map((migration) => migration.version),
      ),
      ...(moved === undefined ? {} : { moved }),
      sizeBytes: sizeOf(path) + sizeOf(`${path}-wal`),
      tasks: countTasks(read<StateCount>(stateCounts), read<EndCount>(endCounts)),
      workers: read<[number]>(workerCount)[0]?.[0] ?? 0,
    };
  } catch (thrown) {
    throw openingFailure(path, thrown);
  }
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
