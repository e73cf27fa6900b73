import {
  indexedWords,
  type MemoryItem,
  memoryOfRow,
  memoryRow,
  Nearest,
  scopeKey,
  type Visible,
} from '@opspawn/agentkit';
import type { StoredMemories } from '../../parts/memories.ts';
import { type Run, type Statement, statement } from '../database/connections.ts';
import { toText } from '../database/text.ts';

type Text = string | null;
type Row = [
  namespace: string,
  id: string,
  agent: Text,
  sessionId: Text,
  userId: Text,
  text: string,
  source: string,
  metadata: Text,
  createdAt: number,
  expiresAt: number | null,
];

const columns = `m.namespace, m.id, m.agent, m.session_id, m.user_id, m.text, m.source, m.metadata, m.created_at, m.expires_at`;
/** $1 to $5: see `visibleTo`. */
const visible = `m.namespace = $1 and (m.agent is null or m.agent = $2) and (m.session_id is null or m.session_id = $3)
  and (m.user_id is null or m.user_id = $4) and (m.expires_at is null or m.expires_at > $5::bigint)`;

/** What is there and lives keeps its source and gets the longer life; what has expired gives way. */
const put = statement<[...Row, isNew: boolean]>(
  'put_memory',
  `with expired as (delete from memories where (namespace, id) in
     (select namespace, id from memories where expires_at <= $10 and not (namespace = $1 and id = $2) limit 20
      for update skip locked))
   insert into memories as m
     (namespace, id, agent, session_id, user_id, text, words, source, metadata, created_at, expires_at)
   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
   on conflict (namespace, id) do update set
     source = case when m.expires_at <= $10 then excluded.source else m.source end,
     metadata = case when m.expires_at <= $10 then excluded.metadata else m.metadata end,
     created_at = case when m.expires_at <= $10 then excluded.created_at else m.created_at end,
     expires_at = case when m.expires_at <= $10 then excluded.expires_at
       when m.expires_at is null or excluded.expires_at is null then null
       else greatest(m.expires_at, excluded.expires_at) end
   returning ${columns}, xmax = 0`,
);

/** Okapi BM25 as agentkit's word-ranking.ts has it, over what the namespace holds. */
const byWords = statement<Row>(
  'memories_by_words',
  `with all_of as (select count(*)::float8 as n, greatest(avg(cardinality(string_to_array(words, ' '))), 1)::float8 as length
     from memories where namespace = $1),
   matched as (select m.id, w.word, cardinality(string_to_array(m.words, ' ')) as length,
       cardinality(array_positions(string_to_array(m.words, ' '), w.word))::float8 as times
     from memories m cross join unnest($6::text[]) as w (word)
     where string_to_array(m.words, ' ') && $6::text[] and ${visible}),
   held as (select word, count(*) filter (where times > 0)::float8 as n from matched group by word),
   scored as (select matched.id, sum(ln(1 + (all_of.n - held.n + 0.5) / (held.n + 0.5)) * times * 2.2
       / (times + 1.2 * (0.25 + 0.75 * matched.length / all_of.length))) as score
     from matched join held using (word) cross join all_of group by matched.id)
   select ${columns} from scored join memories m on m.namespace = $1 and m.id = scored.id
   order by score desc, m.created_at, m.id limit $7`,
);

const withoutVector = statement<Row>(
  'memories_without_vector',
  `select ${columns} from memories m where ${visible} and not exists
     (select from memory_vectors v where v.namespace = m.namespace and v.id = m.id and v.kind = $6)
   order by m.created_at desc, m.id limit $7`,
);

const putVector = statement<[]>(
  'put_memory_vector',
  `insert into memory_vectors (namespace, id, kind, vector)
   select $1, $2, $3, $4::real[] from memories where namespace = $1 and id = $2 for key share
   on conflict (namespace, id) do update set kind = excluded.kind, vector = excluded.vector`,
);

const remove = statement<[string]>(
  'remove_memory',
  `delete from memories m where ${visible} and m.id = $6 returning m.id`,
);

const removeExpired = statement<[string]>(
  'remove_expired_memories',
  `delete from memories where (namespace, id) in
     (select namespace, id from memories where expires_at <= $1 limit $2 for update skip locked) returning id`,
);

const blocksOf = statement<[name: string, text: string, isFromOutside: boolean]>(
  'memory_blocks',
  'select name, text, is_from_outside from memory_blocks where scope = $1 order by name',
);

const writeBlock = statement<[]>(
  'write_memory_block',
  `insert into memory_blocks (scope, name, text, is_from_outside) values ($1, $2, $3, $4)
   on conflict (scope, name) do update set text = excluded.text, is_from_outside = excluded.is_from_outside`,
);

/** Where pgvector is installed in this database: its schema. */
const vectorSchema = statement<[schema: string]>(
  'vector_schema',
  `select quote_ident(nspname) from pg_extension e join pg_namespace n on n.oid = e.extnamespace where extname = 'vector'`,
);

const nearestIn = (schema: string): Statement<Row> =>
  statement(
    'memories_by_vector',
    `select ${columns} from memory_vectors v join memories m on m.namespace = v.namespace and m.id = v.id
     where ${visible} and v.kind = $6
     order by v.vector::${schema}.vector operator(${schema}.<=>) $7::real[]::${schema}.vector, m.id limit $8`,
  );

/** In the order of their ids, behind $7. */
const vectorsOf = statement<[id: string, vector: number[]]>(
  'memory_vectors',
  `select m.id, v.vector from memory_vectors v join memories m on m.namespace = v.namespace and m.id = v.id
   where ${visible} and v.kind = $6 and m.id > $7 order by m.id limit $8`,
);
const vectorsAtOnce = 500;
/** Of pgvector. */
const mostDimensions = 16_000;

const byIds = statement<Row>(
  'memories_by_ids',
  `select ${columns} from memories m where ${visible} and m.id = any ($6::text[])`,
);

const orNull = (text: string | undefined): Text => (text === undefined ? null : toText(text));

const visibleTo = ({ scope, at }: Visible): unknown[] => [
  toText(scope.namespace),
  orNull(scope.agent),
  orNull(scope.session),
  orNull(scope.user),
  at,
];

const itemOf = ([
  namespace,
  id,
  agent,
  sessionId,
  userId,
  text,
  source,
  metadata,
  createdAt,
  expiresAt,
]: Row): MemoryItem =>
  memoryOfRow({
    ...{ namespace, id, agent, session_id: sessionId, user_id: userId, text, source, metadata },
    ...{ created_at: createdAt, expires_at: expiresAt },
  });

/** Memories in the store's database. With pgvector it compares the vectors; without, they are compared here, all of them. */
export function openMemories(run: Run): StoredMemories {
  let schema: Promise<string | undefined> | undefined;
  const findSchema = (): Promise<string | undefined> => {
    schema ??= run('reads', vectorSchema, []).then((rows) => rows[0]?.[0]);
    schema.catch(() => {
      schema = undefined;
    });
    return schema;
  };
  return {
    async put(item, words) {
      const { namespace, id, agent, session_id, user_id, text, source, metadata, created_at, expires_at } =
        memoryRow(item);
      const indexed = indexedWords(namespace, words).join(' ');
      const scope = [namespace, id, agent, session_id, user_id].map((value) =>
        value === null ? null : toText(value),
      );
      const values = [
        ...scope,
        toText(text),
        indexed,
        toText(source),
        metadata === null ? null : toText(metadata),
      ];
      const [row] = await run('writes', put, [...values, created_at, expires_at]);
      const [kept, isNew] = [(row as [...Row, boolean]).slice(0, 10) as Row, (row as [...Row, boolean])[10]];
      return { item: itemOf(kept), isNew };
    },
    async byWords(asked, words, limit) {
      const indexed = indexedWords(asked.scope.namespace, words);
      return (await run('reads', byWords, [...visibleTo(asked), indexed, limit])).map(itemOf);
    },
    async byVector(asked, { kind, vector }, limit) {
      const found = await findSchema();
      if (found !== undefined && vector.length <= mostDimensions) {
        const values = [...visibleTo(asked), kind, [...vector], limit];
        return (await run('reads', nearestIn(found), values)).map(itemOf);
      }
      const nearest = new Nearest<string>(vector, limit);
      for (let behind = ''; ; ) {
        const rows = await run('reads', vectorsOf, [...visibleTo(asked), kind, behind, vectorsAtOnce]);
        for (const [id, stored] of rows) nearest.add(id, Float32Array.from(stored));
        behind = rows.at(-1)?.[0] ?? '';
        if (rows.length < vectorsAtOnce) break;
      }
      const ids = nearest.keys;
      const items = (await run('reads', byIds, [...visibleTo(asked), ids])).map(itemOf);
      return ids.flatMap((id) => items.find((item) => item.id === id) ?? []);
    },
    async withoutVector(asked, kind, limit) {
      return (await run('reads', withoutVector, [...visibleTo(asked), kind, limit])).map(itemOf);
    },
    async putVectors(namespace, vectors) {
      for (const { id, kind, vector } of vectors)
        await run('writes', putVector, [toText(namespace), id, kind, [...vector]]);
    },
    async remove(asked, id) {
      return (await run('writes', remove, [...visibleTo(asked), toText(id)])).length > 0;
    },
    async removeExpired(at, limit) {
      return (await run('writes', removeExpired, [at, limit])).length;
    },
    async blocks(scope) {
      const rows = await run('reads', blocksOf, [toText(scopeKey(scope))]);
      return Object.fromEntries(rows.map(([name, text, isFromOutside]) => [name, { text, isFromOutside }]));
    },
    async writeBlock(scope, name, { text, isFromOutside }) {
      await run('writes', writeBlock, [toText(scopeKey(scope)), toText(name), toText(text), isFromOutside]);
    },
  };
}
