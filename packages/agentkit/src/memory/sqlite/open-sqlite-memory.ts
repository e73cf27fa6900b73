import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { checkOptions } from '../../check-options.ts';
import { OpspawnError } from '../../errors.ts';
import { messageSchema } from '../../message.ts';
import { checkMessages, checkSession } from '../check-memory.ts';
import { compactionSchema } from '../compaction/compaction.ts';
import type { Memory, SessionScope } from '../memory.ts';
import { type MemoryOptions, memoryOptions, memoryOver } from '../memory-over.ts';
import type { MemoryStore } from '../memory-store.ts';
import { loadVectorSearch } from './load-vector-search.ts';
import { memoryTables } from './memory-tables.ts';
import { prepareMemories, type SyncMemoryStore } from './prepare-memories.ts';

export interface SqliteMemoryOptions extends MemoryOptions {
  /** A file, which is created when there is none; or `:memory:`. */
  path: string;
}

const optionsSchema = z.strictObject({
  ...memoryOptions,
  path: z.string().min(1),
} satisfies Record<keyof SqliteMemoryOptions, z.ZodType>);

const schemaVersion = 1;
const applicationId = 0x6f70736d;
const sessionTables = `create table session_runs (
  namespace text not null,
  session_id text not null,
  position integer not null,
  run_id text not null,
  messages text not null,
  compaction text,
  primary key (namespace, session_id, position),
  unique (namespace, session_id, run_id)
) without rowid;`;

/**
 * Memory in a SQLite file of its own, for agents that run without ops-core: sessions, memories and blocks outlive the
 * process, and processes of one host may share them. Needs Node 22.5 or later. Throws `config_invalid` for a file of
 * another program and `unavailable` for one that cannot be used.
 */
export async function openSqliteMemory(options: SqliteMemoryOptions): Promise<Memory & AsyncDisposable> {
  checkOptions('The memory', optionsSchema, options);
  const { path, ...rest } = options;
  const { DatabaseSync: Database } = await import('node:sqlite');
  let database: DatabaseSync;
  try {
    database = new Database(path, { timeout: 5_000, allowExtension: true });
    migrate(database, path);
  } catch (cause) {
    if (cause instanceof OpspawnError) throw cause;
    throw new OpspawnError('unavailable', `${path} cannot be used: ${(cause as Error).message}`, { cause });
  }
  const hasVectorSearch = await loadVectorSearch(database);
  const store = storeOver(database, prepareMemories(database, hasVectorSearch));
  return {
    ...memoryOver(store, rest),
    ...prepareSessions(database),
    async [Symbol.asyncDispose]() {
      if (database.isOpen) database.close();
    },
  };
}

function migrate(database: DatabaseSync, path: string): void {
  database.exec('pragma journal_mode = wal; pragma synchronous = full');
  database.exec('begin immediate');
  try {
    const read = (pragma: string): unknown =>
      Object.values(database.prepare(`pragma ${pragma}`).get() ?? {})[0];
    const version = read('user_version');
    const isEmpty = database.prepare('select 1 from sqlite_schema limit 1').get() === undefined;
    if (isEmpty) {
      database.exec(memoryTables + sessionTables);
      database.exec(`pragma user_version = ${schemaVersion}; pragma application_id = ${applicationId}`);
    } else if (read('application_id') !== applicationId || version !== schemaVersion) {
      throw new OpspawnError('config_invalid', `${path} is no memory that this version can read`, {
        details: { path },
      });
    }
    database.exec('commit');
  } catch (thrown) {
    if (database.isTransaction) database.exec('rollback');
    throw thrown;
  }
}

/** Each call as a transaction of its own. */
function storeOver(database: DatabaseSync, memories: SyncMemoryStore): MemoryStore {
  const within =
    <Args extends unknown[], Result>(begin: string, call: (...args: Args) => Result) =>
    async (...args: Args): Promise<Result> => {
      database.exec(begin);
      try {
        const result = call(...args);
        database.exec('commit');
        return result;
      } catch (thrown) {
        if (database.isTransaction) database.exec('rollback');
        throw thrown;
      }
    };
  return {
    put: within('begin immediate', memories.put),
    byWords: within('begin', memories.byWords),
    byVector: within('begin', memories.byVector),
    withoutVector: within('begin', memories.withoutVector),
    putVectors: within('begin immediate', memories.putVectors),
    remove: within('begin immediate', memories.remove),
    blocks: within('begin', memories.blocks),
    writeBlock: within('begin immediate', memories.writeBlock),
  };
}

function prepareSessions(database: DatabaseSync): Pick<Memory, 'messages' | 'append' | 'compaction'> {
  const insert =
    database.prepare(`insert into session_runs (namespace, session_id, position, run_id, messages, compaction)
    select ?1, ?2, 1 + coalesce(max(position), 0), ?3, ?4, ?5 from session_runs where namespace = ?1 and session_id = ?2
    on conflict (namespace, session_id, run_id) do nothing`);
  const of = 'from session_runs where namespace = ? and session_id = ?';
  const runs = database.prepare(`select messages ${of} order by position`);
  const last = database.prepare(
    `select compaction ${of} and compaction is not null order by position desc limit 1`,
  );
  const named = (scope: SessionScope): [string, string] => {
    checkSession(scope);
    return [scope.namespace, scope.session];
  };
  return {
    async messages(scope) {
      const rows = runs.all(...named(scope)) as { messages: string }[];
      return rows.flatMap(({ messages }) => messageSchema.array().parse(JSON.parse(messages)));
    },
    async append(scope, runId, messages, { compaction } = {}) {
      checkMessages(messages);
      const kept = compaction === undefined ? null : JSON.stringify(compaction);
      insert.run(...named(scope), runId, JSON.stringify(messages), kept);
    },
    async compaction(scope) {
      const row = last.get(...named(scope)) as { compaction: string } | undefined;
      return row && compactionSchema.parse(JSON.parse(row.compaction));
    },
  };
}
