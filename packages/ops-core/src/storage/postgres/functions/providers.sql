-- The budgets of providers' keys; see provider-budgets.ts. Whoever changes calls of a key holds the key's row.

create function report_provider_calls(p_floor bigint, p_report jsonb, p_call_hold bigint, p_place_hold bigint)
returns jsonb language plpgsql as $$
declare
  v_at bigint;
  v_key text;
  v_answers jsonb := '[]';
  v_asked uuid[] := array(select (a->>'id')::uuid from jsonb_array_elements(p_report->'asked') a);
begin
  insert into provider_keys (key, provider, requests_per_minute, tokens_per_minute)
  select k->>'key', k->>'provider', (k->>'requestsPerMinute')::bigint, (k->>'tokensPerMinute')::bigint
  from jsonb_array_elements(p_report->'keys') k order by k->>'key'
  on conflict (key) do update set requests_per_minute = excluded.requests_per_minute,
    tokens_per_minute = excluded.tokens_per_minute;
  v_at := greatest(now_ms(), p_floor);
  update provider_calls c set state = 2, tokens = (s->>'tokens')::bigint, expires_at = v_at + (s->>'keepMs')::bigint
  from jsonb_array_elements(p_report->'settled') s where c.id = (s->>'id')::uuid and c.state > 0;
  update provider_calls set expires_at = v_at + p_call_hold
  where state = 1 and id in (select h::uuid from jsonb_array_elements_text(p_report->'held') h);
  delete from provider_calls
  where state < 2 and id in (select w::uuid from jsonb_array_elements_text(p_report->'withdrawn') w);
  insert into provider_calls as c (id, key, state, tokens, task_id, asked_at, expires_at)
  select (a->>'id')::uuid, a->>'key', 0, (a->>'tokens')::bigint, (a->>'taskId')::uuid, v_at, v_at + p_place_hold
  from jsonb_array_elements(p_report->'asked') a
  on conflict (id) do update set expires_at = excluded.expires_at where c.state = 0;
  for v_key in select k->>'key' from jsonb_array_elements(p_report->'keys') k order by 1 loop
    delete from provider_calls where key = v_key and state > 0 and expires_at <= v_at;
    delete from provider_calls where key = v_key and state = 0 and expires_at <= v_at;
    v_answers := v_answers || admit_calls(v_at, v_key, v_asked, p_call_hold);
  end loop;
  -- Let through by the same report, whose answer was lost.
  select v_answers || coalesce(jsonb_agg(jsonb_build_object('id', id, 'waitMs', 0, 'ahead', 0)), '[]') into v_answers
  from provider_calls
  where id = any(v_asked) and state = 1 and not v_answers @> jsonb_build_array(jsonb_build_object('id', id));
  return v_answers;
end $$;

-- Lets through those of p_asked whose turn it is, and says of the others when it may be. Whoever waits before them has
-- the first right to what is free, also while its process is still to ask again.
create function admit_calls(p_at bigint, p_key text, p_asked uuid[], p_hold bigint) returns jsonb language plpgsql as $$
declare
  v_max_requests bigint;
  v_max_tokens bigint;
  v_requests bigint;
  v_tokens bigint;
  v_ahead integer := 0;
  v_is_blocked boolean := false;
  v_until bigint := p_at;
  v_call record;
  v_counted record;
  v_answers jsonb := '[]';
  v_ends cursor for
    select expires_at, tokens from provider_calls where key = p_key and state > 0 order by expires_at;
begin
  select case when l.provider is null then k.requests_per_minute else l.requests_per_minute end,
    case when l.provider is null then k.tokens_per_minute else l.tokens_per_minute end
  into v_max_requests, v_max_tokens
  from provider_keys k left join provider_limits l on l.provider = k.provider where k.key = p_key;
  v_max_requests := coalesce(v_max_requests, 9007199254740991);
  v_max_tokens := coalesce(v_max_tokens, 9007199254740991);
  select count(*), coalesce(sum(tokens), 0) into v_requests, v_tokens from provider_calls where key = p_key and state > 0;
  open v_ends;
  for v_call in
    select id, least(tokens, v_max_tokens) as tokens from provider_calls
    where key = p_key and state = 0 order by asked_at, id
  loop
    v_requests := v_requests + 1;
    v_tokens := v_tokens + v_call.tokens;
    while v_requests > v_max_requests or v_tokens > v_max_tokens loop
      v_is_blocked := true;
      fetch v_ends into v_counted;
      if not found then
        v_until := v_until + 60000;
        v_requests := 1;
        v_tokens := v_call.tokens;
        exit;
      end if;
      v_until := v_counted.expires_at;
      v_requests := v_requests - 1;
      v_tokens := v_tokens - v_counted.tokens;
    end loop;
    if v_call.id = any(p_asked) then
      if not v_is_blocked then
        update provider_calls set state = 1, expires_at = p_at + p_hold where id = v_call.id;
      end if;
      v_answers := v_answers || jsonb_build_object('id', v_call.id, 'ahead', v_ahead,
        'waitMs', case when v_is_blocked then greatest(1, v_until - p_at) else 0 end);
    end if;
    v_ahead := v_ahead + 1;
  end loop;
  return v_answers;
end $$;
