/**
 * The tables of memory in SQLite. Times are Unix ms. A missing agent, session or user is everybody's. The words are those of
 * `indexedWords`, with a blank between. Index and vectors are made of the memories, and go with them.
 */
export const memoryTables = `create table memories (
  position integer primary key,
  namespace text not null,
  id text not null,
  agent text,
  session_id text,
  user_id text,
  text text not null,
  words text not null,
  source text not null,
  metadata text,
  created_at integer not null,
  expires_at integer,
  unique (namespace, id)
);
create index memories_expiry on memories (expires_at) where expires_at is not null;
create virtual table memory_words using fts5 (words, content = '', contentless_delete = 1, tokenize = 'ascii');
create table memory_vectors (
  position integer primary key,
  kind text not null,
  vector blob not null
);
create trigger memories_added after insert on memories begin
  insert into memory_words (rowid, words) values (new.position, new.words);
end;
create trigger memories_removed after delete on memories begin
  delete from memory_words where rowid = old.position;
  delete from memory_vectors where position = old.position;
end;
create table memory_blocks (
  scope text not null,
  name text not null,
  text text not null,
  is_from_outside integer not null,
  primary key (scope, name)
) without rowid;`;
