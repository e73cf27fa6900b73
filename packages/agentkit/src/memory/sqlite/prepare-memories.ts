import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { indexedWords } from '../indexed-word.ts';
import type { MemoryBlock, MemoryItem, MemoryScope } from '../memory.ts';
import { type MemoryRow, memoryOfRow, memoryRow } from '../memory-row.ts';
import type { MemoryStore, VectorQuery, Visible } from '../memory-store.ts';
import { scopeKey } from '../scope.ts';
import { Nearest, vectorBytes, vectorOf } from '../vectors.ts';

type Now<Promised> = Promised extends Promise<infer Value> ? Value : never;
/** A memory store whose calls are done when they return; what writes must stand in a transaction of the caller's. */
export type SyncMemoryStore = {
  [Call in keyof MemoryStore]: (...args: Parameters<MemoryStore[Call]>) => Now<ReturnType<MemoryStore[Call]>>;
};

/** So many expired memories are deleted with each one that is put. */
const expiredAtOnce = 20;

const columns = `m.namespace, m.id, m.agent, m.session_id, m.user_id, m.text, m.source, m.metadata, m.created_at, m.expires_at`;
/** Parameters ?1 to ?5: see `visibleTo`. */
const visible = `m.namespace = ?1 and (m.agent is null or m.agent = ?2) and (m.session_id is null or m.session_id = ?3)
  and (m.user_id is null or m.user_id = ?4) and (m.expires_at is null or m.expires_at > ?5)`;

const visibleTo = ({ scope, at }: Visible): [string, string | null, string | null, string | null, number] => [
  scope.namespace,
  scope.agent ?? null,
  scope.session ?? null,
  scope.user ?? null,
  at,
];

/** `hasVectorSearch`: the extension sqlite-vec is loaded; otherwise vectors are compared here, one by one. */
export function prepareMemories(database: DatabaseSync, hasVectorSearch: boolean): SyncMemoryStore {
  const prepare = (sql: string): StatementSync => {
    const statement = database.prepare(sql);
    // Databases that give rows as tuples; older versions of Node cannot.
    if ('setReturnArrays' in statement) statement.setReturnArrays(false);
    return statement;
  };
  return {
    ...prepareItems(prepare),
    ...prepareVectors(prepare, hasVectorSearch),
    ...prepareBlocks(prepare),
  };
}

type Prepare = (sql: string) => StatementSync;

const itemsOf = (statement: StatementSync, values: readonly SQLInputValue[]): MemoryItem[] =>
  (statement.all(...values) as unknown as MemoryRow[]).map(memoryOfRow);

function prepareItems(prepare: Prepare): Pick<SyncMemoryStore, 'put' | 'byWords' | 'remove'> {
  const find = prepare(`select m.position, ${columns} from memories m where m.namespace = ? and m.id = ?`);
  const insert = prepare(`insert into memories
    (namespace, id, agent, session_id, user_id, text, source, metadata, created_at, expires_at, words)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const prolong = prepare('update memories set expires_at = ? where position = ?');
  const remove = prepare('delete from memories where position = ?');
  const findExpired = prepare('select position from memories where expires_at <= ? limit ?');
  const findVisible = prepare(`select m.position from memories m where ${visible} and m.id = ?6`);
  const match = prepare(`select ${columns} from memory_words w join memories m on m.position = w.rowid
    where w.words match ?6 and ${visible} order by bm25(memory_words), m.position limit ?7`);

  return {
    put(item, words) {
      const { namespace } = item.scope;
      for (const { position } of findExpired.all(item.createdAt, expiredAtOnce) as { position: number }[])
        remove.run(position);
      const known = find.get(namespace, item.id) as (MemoryRow & { position: number }) | undefined;
      if (known !== undefined && (known.expires_at === null || known.expires_at > item.createdAt)) {
        const later =
          known.expires_at === null || item.expiresAt === undefined
            ? null
            : Math.max(known.expires_at, item.expiresAt);
        prolong.run(later, known.position);
        return { item: memoryOfRow({ ...known, expires_at: later }), isNew: false };
      }
      if (known !== undefined) remove.run(known.position);
      insert.run(...Object.values(memoryRow(item)), indexedWords(namespace, words).join(' '));
      return { item, isNew: true };
    },
    byWords(asked, words, limit) {
      const query = indexedWords(asked.scope.namespace, words)
        .map((word) => `"${word}"`)
        .join(' OR ');
      return query === '' ? [] : itemsOf(match, [...visibleTo(asked), query, limit]);
    },
    remove(asked, id) {
      const found = findVisible.get(...visibleTo(asked), id) as { position: number } | undefined;
      if (found !== undefined) remove.run(found.position);
      return found !== undefined;
    },
  };
}

function prepareVectors(
  prepare: Prepare,
  hasVectorSearch: boolean,
): Pick<SyncMemoryStore, 'byVector' | 'withoutVector' | 'putVectors'> {
  const put = prepare(`insert into memory_vectors (position, kind, vector)
    select position, ?3, ?4 from memories where namespace = ?1 and id = ?2
    on conflict (position) do update set kind = excluded.kind, vector = excluded.vector`);
  const lacking =
    prepare(`select ${columns} from memories m left join memory_vectors v on v.position = m.position and v.kind = ?6
    where ${visible} and v.position is null order by m.position desc limit ?7`);
  const from = `from memory_vectors v join memories m on m.position = v.position where ${visible} and v.kind = ?6`;
  const all = prepare(`select m.position, v.vector ${from}`);
  const byPosition = prepare(`select ${columns} from memories m where m.position = ?`);
  const nearest = hasVectorSearch
    ? prepare(`select ${columns} ${from} order by vec_distance_cosine(v.vector, ?7), m.position limit ?8`)
    : undefined;
  return {
    putVectors(namespace, vectors: readonly ({ id: string } & VectorQuery)[]) {
      for (const { id, kind, vector } of vectors) put.run(namespace, id, kind, vectorBytes(vector));
    },
    withoutVector: (asked, kind, limit) => itemsOf(lacking, [...visibleTo(asked), kind, limit]),
    byVector(asked, { kind, vector }, limit) {
      if (nearest !== undefined)
        return itemsOf(nearest, [...visibleTo(asked), kind, vectorBytes(vector), limit]);
      const found = new Nearest<number>(vector, limit);
      for (const row of all.iterate(...visibleTo(asked), kind) as Iterable<unknown>) {
        const { position, vector: bytes } = row as { position: number; vector: Uint8Array };
        found.add(position, vectorOf(bytes));
      }
      return found.keys.flatMap((position) => itemsOf(byPosition, [position]));
    },
  };
}

function prepareBlocks(prepare: Prepare): Pick<SyncMemoryStore, 'blocks' | 'writeBlock'> {
  const read = prepare('select name, text, is_from_outside from memory_blocks where scope = ? order by name');
  const write = prepare(`insert into memory_blocks (scope, name, text, is_from_outside) values (?, ?, ?, ?)
    on conflict (scope, name) do update set text = excluded.text, is_from_outside = excluded.is_from_outside`);
  return {
    blocks(scope: MemoryScope): Record<string, MemoryBlock> {
      const rows = read.all(scopeKey(scope)) as { name: string; text: string; is_from_outside: number }[];
      return Object.fromEntries(
        rows.map(({ name, text, is_from_outside }) => [name, { text, isFromOutside: is_from_outside === 1 }]),
      );
    },
    writeBlock(scope, name, { text, isFromOutside }) {
      write.run(scopeKey(scope), name, text, isFromOutside ? 1 : 0);
    },
  };
}
