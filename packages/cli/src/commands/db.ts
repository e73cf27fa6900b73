import {
  type DatabaseStatus,
  describeDatabase,
  migrateDatabase,
  readDatabaseStatus,
} from '@opspawn/ops-core';
import { type DatabaseOptions, settingsFrom } from '../embedded.ts';
import { createOutput } from '../output.ts';

export interface DbOptions extends DatabaseOptions {
  json?: boolean;
}

/** Looks at a database, and changes nothing. */
export async function status(options: DbOptions): Promise<void> {
  const { database } = settingsFrom(options);
  show(options, describeDatabase(database), await readDatabaseStatus(database));
}

/** Brings the schema up to date, as every start does. */
export async function migrate(options: DbOptions): Promise<void> {
  const { database } = settingsFrom(options);
  show(options, describeDatabase(database), await migrateDatabase(database));
}

function show({ json }: DbOptions, place: string, found: DatabaseStatus): void {
  createOutput({ json: json === true }).record({ database: place, ...found }, () => describe(place, found));
}

function describe(place: string, found: DatabaseStatus): string {
  const { engine, schema, moved, sizeBytes, tasks, workers } = found;
  const counted = Object.entries(tasks).filter(([, count]) => count > 0);
  return [
    `database  ${place}`,
    `engine    ${engine}`,
    `schema    ${describeSchema(schema)}`,
    ...(moved === undefined
      ? []
      : [`moved     to ${moved.to} at ${moved.at}: nothing is taken here any more`]),
    `size      ${(sizeBytes / 1024 ** 2).toFixed(1)} MB`,
    `tasks     ${counted.map(([state, count]) => `${count} ${state}`).join(', ') || 'none'}`,
    `workers   ${workers}`,
  ].join('\n');
}

function describeSchema({ version, known, pending }: DatabaseStatus['schema']): string {
  if (version > known) return `${version}, of a later version of Opspawn: this one knows up to ${known}`;
  if (pending.length === 0) return `${version}, up to date`;
  const behind = version === 0 ? 'nothing there yet' : `${version}`;
  return `${behind}; pending: ${pending.join(', ')} (opspawn db migrate makes them, and so does every start)`;
}
