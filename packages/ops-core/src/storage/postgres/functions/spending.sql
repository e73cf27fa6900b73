-- What agents have cost; see spending.ts. Rows of `spending` are taken in one order: agent, day, session.

create function record_spending(p_said jsonb) returns void language plpgsql as $$
declare
  v_task uuid := p_said->>'taskId';
  v_at bigint := now_ms();
  v_before task_spending;
  v_now task_spending;
begin
  insert into task_spending (task_id, input_tokens, output_tokens, cost_micro_usd, unpriced_tokens)
  values (v_task, 0, 0, 0, 0) on conflict do nothing;
  select * into v_before from task_spending where task_id = v_task for update;
  update task_spending set input_tokens = greatest(input_tokens, (p_said->'spent'->>'inputTokens')::bigint),
    output_tokens = greatest(output_tokens, (p_said->'spent'->>'outputTokens')::bigint),
    cost_micro_usd = greatest(cost_micro_usd, (p_said->'spent'->>'costMicroUsd')::double precision),
    unpriced_tokens = greatest(unpriced_tokens, (p_said->'spent'->>'unpricedTokens')::bigint)
  where task_id = v_task returning * into v_now;
  if v_now = v_before then return; end if;
  insert into spending as s (namespace, kind, name, input_tokens, output_tokens, cost_micro_usd, unpriced_tokens, last_at)
  select p_said->>'namespace', k.kind, k.name, v_now.input_tokens - v_before.input_tokens,
    v_now.output_tokens - v_before.output_tokens, v_now.cost_micro_usd - v_before.cost_micro_usd,
    v_now.unpriced_tokens - v_before.unpriced_tokens, v_at
  from (values ('agent', p_said->>'agent'),
    ('day', to_char(to_timestamp(v_at / 1000.0) at time zone 'UTC', 'YYYY-MM-DD')),
    ('session', p_said->>'sessionId')) k (kind, name)
  where k.name is not null order by k.kind
  on conflict (namespace, kind, name) do update set input_tokens = s.input_tokens + excluded.input_tokens,
    output_tokens = s.output_tokens + excluded.output_tokens,
    cost_micro_usd = s.cost_micro_usd + excluded.cost_micro_usd,
    unpriced_tokens = s.unpriced_tokens + excluded.unpriced_tokens, last_at = excluded.last_at;
end $$;

-- A scope of a block is the JSON text of [namespace, agent, session, user].
create function forget_session(p_namespace text, p_session text) returns void language plpgsql as $$
declare
  v_prefix text := '[' || to_json(p_namespace) || ',';
begin
  delete from session_runs where namespace = p_namespace and session_id = p_session;
  delete from memories where namespace = p_namespace and session_id = p_session;
  delete from memory_blocks where starts_with(scope, v_prefix)
    and strpos(substr(scope, length(v_prefix) + 1), ',' || to_json(p_session) || ',') > 0;
  delete from spending where namespace = p_namespace and kind = 'session' and name = p_session;
end $$;

create function forget_idle_session(p_namespace text, p_session text) returns boolean language plpgsql as $$
begin
  -- The session's turn: nobody adds a task to it meanwhile.
  perform pg_advisory_xact_lock(hashtextextended(p_namespace || chr(31) || p_session, 0));
  if exists (select from queue where namespace = p_namespace and session_id = p_session) then return false; end if;
  perform forget_session(p_namespace, p_session);
  return true;
end $$;
