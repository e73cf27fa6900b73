-- Times are Unix ms. Columns have no strict types: checking them costs the hot path about 5 %.

-- What is accepted: written once, never updated. In the order of its key it is the list of a namespace by age.
create table tasks (
  namespace text not null,
  id text not null,
  kind text not null,
  name text not null,
  queue text not null,
  priority integer not null,
  created_at integer not null,
  due_at integer,
  deadline_at integer,
  attempt_timeout_ms integer,
  idempotency_key text,
  request_digest text,
  session_id text,
  parent_id text,
  parent_key text,
  options text,
  limits text,
  input_blob integer,
  input text,
  primary key (namespace, id)
) without rowid;
create unique index tasks_idempotency on tasks (namespace, idempotency_key) where idempotency_key is not null;
create index tasks_session on tasks (namespace, session_id, id) where session_id is not null;
create index tasks_parent on tasks (parent_id, id) where parent_id is not null;

-- One row for each unfinished task; `state` as in domain/task-state.ts. Only what a claim may take is in queue_ready, or
-- in queue_ending, which waits for nobody.
-- session_id and session_order are those of a task that takes its turn in a session, which a child does not.
-- limits: those that the task waits for, JSON; blocked_by: the key of the one in whose line it stands (state 6).
-- deadline_at: of the attempt; task_deadline_at: of the whole task.
-- has_children and has_inbox: whether there ever were any.
create table queue (
  task_id text primary key,
  state integer not null,
  attempt integer not null,
  worker_id text,
  queue text not null,
  priority integer not null,
  due_at integer,
  failures integer not null,
  deadline_at integer,
  namespace text not null,
  parent_id text,
  session_id text,
  session_order integer,
  has_children integer not null,
  has_inbox integer not null,
  paused_reason text,
  limits text,
  blocked_by text,
  task_deadline_at integer
) without rowid;
create index queue_ready on queue (queue, namespace, priority, due_at, task_id) where state = 0;
create index queue_ending on queue (queue, task_id) where state = 7;
create index queue_due on queue (due_at) where state in (2, 4) and due_at is not null;
create index queue_overdue on queue (task_deadline_at) where task_deadline_at is not null and state <> 1;
create index queue_session on queue (namespace, session_id, session_order) where session_id is not null;
create index queue_limited on queue (namespace, blocked_by, priority, due_at, task_id) where state = 6;

-- What an operator says of a queue, in the tasks of one namespace. weight: its share beside the namespace's other queues.
create table queues (
  namespace text not null,
  name text not null,
  weight integer not null,
  paused_at integer,
  paused_by text,
  paused_reason text,
  primary key (namespace, name)
) without rowid;

-- What an operator says of a key; it goes before what tasks say of it.
create table limits (
  namespace text not null,
  key text not null,
  max_running integer,
  rate_count integer,
  rate_interval_ms integer,
  primary key (namespace, key)
) without rowid;

-- Which tasks have a place under a key: those that are ready or running, by themselves and not through a parent.
create table slots (
  namespace text not null,
  key text not null,
  task_id text not null,
  primary key (namespace, key, task_id)
) without rowid;

-- How much of a key's rate is used up: full_at is when none of it is (Unix ms, with fractions), and the row may go;
-- due_at is when the next task of its line may start.
create table rates (
  namespace text not null,
  key text not null,
  full_at real not null,
  due_at integer,
  primary key (namespace, key)
) without rowid;
create index rates_due on rates (due_at) where due_at is not null;
create index rates_full on rates (full_at) where due_at is null;

-- Keys whose line somebody has yet to look at. Empty but for what a copy from PostgreSQL brings.
create table unsettled (
  id integer primary key,
  namespace text not null,
  key text not null
);

-- All that happened in a task, but its end. Appended by the owning attempt only.
create table journal (
  task_id text not null,
  seq integer not null,
  type text not null,
  attempt integer not null,
  at integer not null,
  branch text,
  name text,
  count integer,
  asked integer,
  blob_id integer,
  data text,
  primary key (task_id, seq)
) without rowid;

-- The terminal entry of each task that ended: the last of its journal, and not in there, so that an end is one row.
-- error_code: of one that failed.
-- The namespace may be missing where the task has completed: only the others are listed from here.
create table outcomes (
  task_id text primary key,
  namespace text,
  status text not null,
  failures integer not null,
  seq integer not null,
  attempt integer not null,
  at integer not null,
  error_code text,
  asked integer,
  blob_id integer,
  data text
) without rowid;
create index outcomes_unsuccessful on outcomes (namespace, task_id) where status <> 'completed';
create index outcomes_failed on outcomes (namespace, error_code, task_id) where status = 'failed';

-- What came to a task from outside, in the order of arrival. Taken items stay, so that posting one again is seen.
create table inbox (
  position integer primary key,
  id text not null unique,
  task_id text not null,
  kind text not null,
  key text not null,
  at integer not null,
  taken_at integer,
  blob_id integer,
  data text
);
create index inbox_open on inbox (task_id) where taken_at is null;
-- By which a task's items are found when it is deleted.
create index inbox_taken on inbox (task_id) where taken_at is not null;

-- What a suspended task waits for.
create table waits (
  task_id text not null,
  position integer not null,
  step text not null,
  hash text not null,
  kind text not null,
  name text not null,
  key text,
  due_at integer,
  data text,
  primary key (task_id, position)
) without rowid;

-- Values too big for the row that they belong to.
create table blobs (
  id integer primary key,
  data text not null
);

-- A worker lives until lease_until_ms of the monotonic clock of that boot, or until its process is gone.
create table workers (
  id text primary key,
  host text not null,
  pid integer not null,
  pid_space text not null,
  process_start text not null,
  queues text not null,
  definitions text not null,
  boot_id text not null,
  lease_until_ms integer not null
) without rowid;

-- What agents remember, as agentkit keeps it in SQLite: memory/sqlite/memory-tables.ts.
create table memories (
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
) without rowid;

-- Keys of the API: of the secret only a digest. is_first: made because there was none.
create table api_keys (
  id text primary key,
  namespace text not null,
  name text not null,
  digest text not null,
  is_first integer not null,
  created_at integer not null
) without rowid;
create unique index api_keys_first on api_keys (is_first) where is_first = 1;

create table definitions (
  namespace text not null,
  kind text not null,
  name text not null,
  version text not null,
  queue text not null,
  data text not null,
  primary key (namespace, kind, name)
) without rowid;

create table session_runs (
  namespace text not null,
  session_id text not null,
  position integer not null,
  run_id text not null,
  messages text not null,
  compaction text,
  primary key (namespace, session_id, position),
  unique (namespace, session_id, run_id)
) without rowid;

-- MCP servers whose tools were seen.
create table mcp_servers (
  namespace text not null,
  server text not null,
  seen_at integer not null,
  primary key (namespace, server)
) without rowid;

-- Every definition of a tool that was seen, and whether it may be used.
create table mcp_tools (
  namespace text not null,
  server text not null,
  tool text not null,
  digest text not null,
  definition text not null,
  status text not null,
  seen_at integer not null,
  decided_by text,
  decided_at integer,
  primary key (namespace, server, tool, digest)
) without rowid;

-- The last time that was given out, so that time never goes back.
create table clock (
  id integer primary key check (id = 1),
  at integer not null
);
insert into clock (id, at) values (1, 0);

-- What namespaces keep and are allowed; settings: JSON.
create table namespaces (
  namespace text primary key,
  settings text not null
) without rowid;

-- What operators say of the keys of a provider; it goes before what workers are configured with.
create table provider_limits (
  provider text primary key,
  requests_per_minute integer,
  tokens_per_minute integer
) without rowid;

-- Keys of providers that are bounded, by a name that does not tell them, and what workers say that they may send.
create table provider_keys (
  key text primary key,
  provider text not null,
  requests_per_minute integer,
  tokens_per_minute integer
) without rowid;

-- Calls of those keys. state: 0 waits, 1 on the way, 2 over. expires_at: until when it counts, or keeps its place.
create table provider_calls (
  id text primary key,
  key text not null,
  state integer not null,
  tokens integer not null,
  task_id text,
  asked_at integer not null,
  expires_at integer not null
) without rowid;
create index provider_calls_waiting on provider_calls (key, asked_at, id) where state = 0;
create index provider_calls_counted on provider_calls (key, expires_at) where state > 0;
create index provider_calls_task on provider_calls (task_id) where state = 0 and task_id is not null;

-- What tasks with a budget have used, they and all below them.
create table budgets (
  id text primary key,
  tokens integer not null,
  cost_micro_usd real not null
) without rowid;

-- Model calls within a budget: attempt, what it holds; null when it holds nothing.
create table budget_steps (
  budget_id text not null,
  task_id text not null,
  step text not null,
  attempt integer,
  held_tokens integer not null,
  held_cost real not null,
  used_tokens integer not null,
  used_cost real not null,
  primary key (budget_id, task_id, step)
) without rowid;
create index budget_steps_held on budget_steps (budget_id) where attempt is not null;

-- What agents have cost, by session, agent and day of a namespace.
create table spending (
  namespace text not null,
  kind text not null,
  name text not null,
  input_tokens integer not null,
  output_tokens integer not null,
  cost_micro_usd real not null,
  unpriced_tokens integer not null,
  last_at integer not null,
  primary key (namespace, kind, name)
) without rowid;
create index spending_latest on spending (namespace, kind, last_at desc, name);

-- How much of that each task has told.
create table task_spending (
  task_id text primary key,
  input_tokens integer not null,
  output_tokens integer not null,
  cost_micro_usd real not null,
  unpriced_tokens integer not null
) without rowid;
create index memories_session on memories (namespace, session_id) where session_id is not null;
