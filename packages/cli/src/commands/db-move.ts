import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { OpspawnError } from '@opspawn/agentkit/schema';
import {
  backUpDatabase,
  describeDatabase,
  moveDatabase,
  readSettings,
  type Settings,
} from '@opspawn/ops-core';
import { type DatabaseOptions, settingsFrom } from '../embedded.ts';
import { createOutput } from '../output.ts';

interface CopyOptions {
  json?: boolean;
  from: string;
  to: string;
  keepSource?: boolean;
}

/** Moves a database to another place, and says what was moved. */
export async function copy({ json, from, to, keepSource = false }: CopyOptions): Promise<void> {
  const output = createOutput({ json: json === true });
  const source = databaseOf('--from', from);
  const target = databaseOf('--to', to);
  const counts = await moveDatabase(source, target, {
    keepSource,
    onTable: (table, rows) => output.talk(`${table}: ${rows} rows`),
  });
  const tasks = counts.get('tasks') ?? 0;
  const facts = {
    from: describeDatabase(source),
    to: describeDatabase(target),
    rows: Object.fromEntries(counts),
  };
  output.record(facts, () => `${tasks} tasks were copied and compared`);
  output.talk(
    keepSource
      ? 'The source goes on as it was: what it takes from now on is not in the copy.'
      : 'The source takes nothing more. Start servers and workers on the target.',
  );
}

function databaseOf(option: string, url: string): Settings['database'] {
  try {
    return readSettings({ OPSPAWN_DATABASE_URL: url }).database;
  } catch (cause) {
    if (!(cause instanceof OpspawnError)) throw cause;
    throw new OpspawnError('invalid_argument', cause.message.replace('OPSPAWN_DATABASE_URL=', `${option} `), {
      cause,
    });
  }
}

interface BackupOptions extends DatabaseOptions {
  json?: boolean;
}

/** Writes the database to a new file, while it is in use. */
export async function backup(file: string, options: BackupOptions): Promise<void> {
  const { database } = settingsFrom(options);
  await backUpDatabase(database, resolve(file));
  const bytes = statSync(file).size;
  createOutput({ json: options.json === true }).record(
    { database: describeDatabase(database), file: resolve(file), bytes },
    () => `${file}: ${(bytes / 1024 ** 2).toFixed(1)} MB`,
  );
}
