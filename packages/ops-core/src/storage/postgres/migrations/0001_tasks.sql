-- Times are Unix ms by the database's clock. Text compares by bytes ("C"): one order on every system, and the cheapest.

create function now_ms() returns bigint language sql volatile parallel safe
  as $$ select (extract(epoch from clock_timestamp()) * 1000)::bigint $$;

-- What is accepted: written once, never updated. In the order of its key it is the list of a namespace by age.
create table tasks (
  namespace text collate "C" not null,
  id uuid not null,
  kind text collate "C" not null,
  name text collate "C" not null,
  queue text collate "C" not null,
  priority smallint not null,
  created_at bigint not null,
  due_at bigint,
  deadline_at bigint,
  attempt_timeout_ms bigint,
  idempotency_key text collate "C",
  request_digest text collate "C",
  session_id text collate "C",
  parent_id uuid,
  parent_key text collate "C",
  options text,
  limits text,
  input text,
  primary key (namespace, id)
);
create unique index tasks_idempotency on tasks (namespace, idempotency_key) where idempotency_key is not null;
create index tasks_session on tasks (namespace, session_id, id) where session_id is not null;
create index tasks_parent on tasks (parent_id, id) where parent_id is not null;

-- One row for each unfinished task; `state` as in domain/task-state.ts. Only what a claim may take is in queue_ready, or
-- in queue_ending, which waits for nobody.
-- session_id and session_order are those of a task that takes its turn in a session, which a child does not.
-- limits: those that the task waits for, JSON; blocked_by: the key of the one in whose line it stands (state 6).
-- deadline_at: of the attempt; task_deadline_at: of the whole task.
-- has_children and has_inbox: whether there ever were any. claim_no: the worker's claim that took it, so that a claim
-- whose answer was lost with the connection is found again.
create table queue (
  task_id uuid primary key,
  state smallint not null,
  attempt integer not null,
  worker_id text collate "C",
  claim_no bigint,
  queue text collate "C" not null,
  priority smallint not null,
  due_at bigint,
  failures integer not null,
  deadline_at bigint,
  namespace text collate "C" not null,
  parent_id uuid,
  session_id text collate "C",
  session_order bigint,
  has_children boolean not null,
  has_inbox boolean not null,
  paused_reason text,
  limits text,
  blocked_by text collate "C",
  task_deadline_at bigint
);
create index queue_ready on queue (queue, namespace, priority, due_at, task_id) where state = 0;
create index queue_ending on queue (queue, task_id) where state = 7;
create index queue_due on queue (due_at) where state in (2, 4) and due_at is not null;
create index queue_overdue on queue (task_deadline_at) where task_deadline_at is not null and state <> 1;
create index queue_session on queue (namespace, session_id, session_order) where session_id is not null;
create index queue_limited on queue (namespace, blocked_by, priority, due_at, task_id) where state = 6;

-- What an operator says of a queue, in the tasks of one namespace. weight: its share beside the namespace's other queues.
create table queues (
  namespace text collate "C" not null,
  name text collate "C" not null,
  weight integer not null,
  paused_at bigint,
  paused_by text,
  paused_reason text,
  primary key (namespace, name)
);

-- What an operator says of a key; it goes before what tasks say of it.
create table limits (
  namespace text collate "C" not null,
  key text collate "C" not null,
  max_running integer,
  rate_count integer,
  rate_interval_ms bigint,
  primary key (namespace, key)
);

-- Which tasks have a place under a key: those that are ready or running, by themselves and not through a parent.
create table slots (
  namespace text collate "C" not null,
  key text collate "C" not null,
  task_id uuid not null,
  primary key (namespace, key, task_id)
);

-- How much of a key's rate is used up: full_at is when none of it is (Unix ms, with fractions), and the row may go;
-- due_at is when the next task of its line may start.
create table rates (
  namespace text collate "C" not null,
  key text collate "C" not null,
  full_at double precision not null,
  due_at bigint,
  primary key (namespace, key)
);
create index rates_due on rates (due_at) where due_at is not null;
create index rates_full on rates (full_at) where due_at is null;

-- Keys whose line somebody has yet to look at: another transaction was at the limits of the namespace.
create table unsettled (
  id bigint generated always as identity primary key,
  namespace text collate "C" not null,
  key text collate "C" not null
);

-- All that happened in a task, but its end. Appended by the owning attempt only.
create table journal (
  task_id uuid not null,
  seq integer not null,
  type text collate "C" not null,
  attempt integer not null,
  at bigint not null,
  branch text collate "C",
  name text collate "C",
  count integer,
  asked integer,
  data text,
  primary key (task_id, seq)
);

-- The terminal entry of each task that ended: the last of its journal, and not in there, so that an end is one row.
-- error_code: of one that failed.
create table outcomes (
  task_id uuid primary key,
  namespace text collate "C" not null,
  status text collate "C" not null,
  failures integer not null,
  seq integer not null,
  attempt integer not null,
  at bigint not null,
  error_code text collate "C",
  asked integer,
  data text
);
create index outcomes_unsuccessful on outcomes (namespace, task_id) where status <> 'completed';
create index outcomes_failed on outcomes (namespace, error_code, task_id) where status = 'failed';

-- What came to a task from outside, in the order of arrival. Taken items stay, so that posting one again is seen.
create table inbox (
  id uuid primary key,
  position bigint generated always as identity,
  task_id uuid not null,
  kind text collate "C" not null,
  key text collate "C" not null,
  at bigint not null,
  taken_at bigint,
  data text
);
create index inbox_open on inbox (task_id, position) where taken_at is null;
-- By which a task's items are found when it is deleted.
create index inbox_taken on inbox (task_id) where taken_at is not null;

-- What a suspended task waits for.
create table waits (
  task_id uuid not null,
  position integer not null,
  step text not null,
  hash text not null,
  kind text not null,
  name text not null,
  key text collate "C",
  due_at bigint,
  data text,
  primary key (task_id, position)
);

-- claim_no: of the worker's last claim; one that comes late, behind a newer one, takes nothing. epoch: raised when a
-- queue is paused, so that a claim that had begun before takes nothing either.
create table workers (
  id text collate "C" primary key,
  host text not null,
  pid bigint not null,
  process_start text not null,
  queues text not null,
  definitions text not null,
  lease_ttl_ms bigint not null,
  lease_until_at bigint not null,
  claim_no bigint not null default 0,
  epoch bigint not null default 0
);

-- What agents remember. `words` are those of agentkit's indexedWords, each with its namespace, with a blank between.
create table memories (
  namespace text collate "C" not null,
  id text collate "C" not null,
  agent text collate "C",
  session_id text collate "C",
  user_id text collate "C",
  text text not null,
  words text collate "C" not null,
  source text not null,
  metadata text,
  created_at bigint not null,
  expires_at bigint,
  primary key (namespace, id)
);
create index memories_words on memories using gin (string_to_array(words, ' '));
create index memories_expiry on memories (expires_at) where expires_at is not null;

create table memory_vectors (
  namespace text collate "C" not null,
  id text collate "C" not null,
  kind text collate "C" not null,
  vector real[] not null,
  primary key (namespace, id),
  foreign key (namespace, id) references memories on delete cascade
);

create table memory_blocks (
  scope text collate "C" not null,
  name text collate "C" not null,
  text text not null,
  is_from_outside boolean not null,
  primary key (scope, name)
);

-- Keys of the API: of the secret only a digest. is_first: made because there was none.
create table api_keys (
  id text collate "C" primary key,
  namespace text collate "C" not null,
  name text not null,
  digest text not null,
  is_first boolean not null,
  created_at bigint not null
);
create unique index api_keys_first on api_keys (is_first) where is_first;

create table definitions (
  namespace text collate "C" not null,
  kind text collate "C" not null,
  name text collate "C" not null,
  version text not null,
  queue text not null,
  data text not null,
  primary key (namespace, kind, name)
);

create table session_runs (
  namespace text collate "C" not null,
  session_id text collate "C" not null,
  run_id text collate "C" not null,
  position bigint generated always as identity,
  messages text not null,
  compaction text,
  primary key (namespace, session_id, run_id)
);

-- What namespaces keep and are allowed; settings: JSON.
create table namespaces (
  namespace text collate "C" primary key,
  settings text not null
);

-- MCP servers whose tools were seen.
create table mcp_servers (
  namespace text collate "C" not null,
  server text collate "C" not null,
  seen_at bigint not null,
  primary key (namespace, server)
);

-- Every definition of a tool that was seen, and whether it may be used.
create table mcp_tools (
  namespace text collate "C" not null,
  server text collate "C" not null,
  tool text collate "C" not null,
  digest text collate "C" not null,
  definition text not null,
  status text not null,
  seen_at bigint not null,
  decided_by text,
  decided_at bigint,
  primary key (namespace, server, tool, digest)
);

-- What operators say of the keys of a provider; it goes before what workers are configured with.
create table provider_limits (
  provider text collate "C" primary key,
  requests_per_minute bigint,
  tokens_per_minute bigint
);

-- Keys of providers that are bounded, by a name that does not tell them, and what workers say that they may send.
create table provider_keys (
  key text collate "C" primary key,
  provider text collate "C" not null,
  requests_per_minute bigint,
  tokens_per_minute bigint
);

-- Calls of those keys. state: 0 waits, 1 on the way, 2 over. expires_at: until when it counts, or keeps its place.
create table provider_calls (
  id uuid primary key,
  key text collate "C" not null,
  state smallint not null,
  tokens bigint not null,
  task_id uuid,
  asked_at bigint not null,
  expires_at bigint not null
);
create index provider_calls_waiting on provider_calls (key, asked_at, id) where state = 0;
create index provider_calls_counted on provider_calls (key, expires_at) where state > 0;
create index provider_calls_task on provider_calls (task_id) where state = 0 and task_id is not null;

-- What tasks with a budget have used, they and all below them.
create table budgets (
  id uuid primary key,
  tokens bigint not null,
  cost_micro_usd double precision not null
);

-- Model calls within a budget: attempt, what it holds; null when it holds nothing.
create table budget_steps (
  budget_id uuid not null,
  task_id uuid not null,
  step text collate "C" not null,
  attempt integer,
  held_tokens bigint not null,
  held_cost double precision not null,
  used_tokens bigint not null,
  used_cost double precision not null,
  primary key (budget_id, task_id, step)
);
create index budget_steps_held on budget_steps (budget_id) where attempt is not null;

-- What agents have cost, by session, agent and day of a namespace.
create table spending (
  namespace text collate "C" not null,
  kind text collate "C" not null,
  name text collate "C" not null,
  input_tokens bigint not null,
  output_tokens bigint not null,
  cost_micro_usd double precision not null,
  unpriced_tokens bigint not null,
  last_at bigint not null,
  primary key (namespace, kind, name)
);
create index spending_latest on spending (namespace, kind, last_at desc, name);

-- How much of that each task has told.
create table task_spending (
  task_id uuid primary key,
  input_tokens bigint not null,
  output_tokens bigint not null,
  cost_micro_usd double precision not null,
  unpriced_tokens bigint not null
);
create index memories_session on memories (namespace, session_id) where session_id is not null;
