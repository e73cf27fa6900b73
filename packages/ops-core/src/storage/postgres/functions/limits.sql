-- The places of tasks under their keys. Who changes something under a key tells of it ('limit NAMESPACE KEY', with the
-- separator U+001F between the two); settle_limits fills what is free, once for each key and transaction, from what the
-- tables hold and from nothing else, so that no place is lost or taken twice.
--
-- One transaction at a time settles the limits of a namespace: it holds limits_lock. write_all takes it before its rows.
-- Who has rows already only tries, and otherwise leaves the key in `unsettled` to promote_due.

create function limits_lock(p_namespace text) returns bigint language sql immutable
  as $$ select hashtextextended(p_namespace || chr(30), 0) $$;

create function limit_told(p_namespace text, p_key text) returns text language sql immutable
  as $$ select 'limit ' || p_namespace || chr(31) || p_key $$;

-- The limits that a task waits for: all that it names but those of its ancestors, under which it goes on as a part of
-- them. Waiting for them it could wait for its own parent.
create function own_limits(p_namespace text, p_parent uuid, p_limits text) returns text language plpgsql stable as $$
begin
  if p_limits is null or p_parent is null then return p_limits; end if;
  return (
    with recursive ancestors (parent_id, limits) as (
      select parent_id, limits from tasks where namespace = p_namespace and id = p_parent
      union all
      select t.parent_id, t.limits from ancestors a join tasks t on t.namespace = p_namespace and t.id = a.parent_id
    )
    select jsonb_agg(l order by n)::text from jsonb_array_elements(p_limits::jsonb) with ordinality as own (l, n)
    where not exists (select from ancestors, jsonb_array_elements(limits::jsonb) h where h->>'key' = l->>'key'));
end $$;

create function take_slots(p_namespace text, p_task uuid, p_limits text) returns void language sql as $$
  insert into slots (namespace, key, task_id)
  select p_namespace, l->>'key', p_task from jsonb_array_elements(p_limits::jsonb) l on conflict do nothing
$$;

-- Gives up what the task has, and lets those in line go on.
create function leave_slots(inout told text[], p_namespace text, p_task uuid, p_limits text) language plpgsql as $$
begin
  if p_limits is null then return; end if;
  delete from slots s using jsonb_array_elements(p_limits::jsonb) l
  where s.namespace = p_namespace and s.key = l->>'key' and s.task_id = p_task;
  told := told || array(select limit_told(p_namespace, l->>'key') from jsonb_array_elements(p_limits::jsonb) l);
end $$;

-- What is said of a key: by an operator, otherwise by the task.
create function limit_in_force(p_namespace text, p_limit jsonb) returns limits language plpgsql stable as $$
declare
  v_limit limits;
begin
  select * into v_limit from limits where namespace = p_namespace and key = p_limit->>'key';
  if not found then
    v_limit.namespace := p_namespace;
    v_limit.key := p_limit->>'key';
    v_limit.max_running := p_limit->'maxRunning';
    v_limit.rate_count := p_limit->'rate'->'count';
    v_limit.rate_interval_ms := p_limit->'rate'->'intervalMs';
  end if;
  return v_limit;
end $$;

-- Unix ms, rounded up. The generic cell rate algorithm (ITU-T I.371): each start moves full_at on by its share of the
-- interval, and may not move it further than one interval from now.
create function next_start_at(p_limit limits) returns bigint language sql stable as $$
  select ceil(full_at - p_limit.rate_interval_ms + p_limit.rate_interval_ms::float8 / p_limit.rate_count)::bigint
  from rates where namespace = p_limit.namespace and key = p_limit.key and p_limit.rate_count is not null
$$;

-- The first of its keys that lets the task not go; null when all do. Says when one of them will, if that is known.
create function refusing_key(inout told text[], p_at bigint, p_namespace text, p_limits text, out key text)
language plpgsql as $$
declare
  v_each jsonb;
  v_limit limits;
  v_next bigint;
begin
  for v_each in select * from jsonb_array_elements(p_limits::jsonb) loop
    v_limit := limit_in_force(p_namespace, v_each);
    key := v_limit.key;
    if (select count(*) from (
          select from slots s where s.namespace = p_namespace and s.key = v_limit.key limit v_limit.max_running) taken
        ) >= v_limit.max_running then
      return;
    end if;
    v_next := next_start_at(v_limit);
    if v_next > p_at then
      update rates r set due_at = v_next where r.namespace = p_namespace and r.key = v_limit.key;
      told := told || ('due ' || v_next);
      return;
    end if;
  end loop;
  key := null;
end $$;

-- Takes a start from the rates of its keys.
create function use_rates(p_at bigint, p_namespace text, p_limits text) returns void language sql as $$
  insert into rates as r (namespace, key, full_at)
  select p_namespace, l.key, p_at + l.rate_interval_ms::float8 / l.rate_count
  from jsonb_array_elements(p_limits::jsonb) e, limit_in_force(p_namespace, e) l where l.rate_count is not null
  on conflict (namespace, key) do update
  set full_at = greatest(r.full_at, p_at) + excluded.full_at - p_at, due_at = null
$$;

-- Lets the tasks in the line of a key go, in the order in which they would be claimed, up to the first that may not.
create function settle_limit(inout told text[], p_at bigint, p_namespace text, p_key text) language plpgsql as $$
declare
  v_head queue;
  v_refusing text;
begin
  loop
    select * into v_head from queue where namespace = p_namespace and blocked_by = p_key and state = 6
    order by priority, due_at, task_id limit 1;
    exit when not found;
    select * into told, v_refusing from refusing_key(told, p_at, p_namespace, v_head.limits);
    exit when v_refusing = p_key;
    if v_refusing is not null then
      update queue set blocked_by = v_refusing where task_id = v_head.task_id;
      continue;
    end if;
    perform take_slots(p_namespace, v_head.task_id, v_head.limits);
    perform use_rates(p_at, p_namespace, v_head.limits);
    update queue set state = 0, blocked_by = null where task_id = v_head.task_id;
    told := told || ('ready ' || v_head.queue) || ('changed ' || v_head.task_id);
  end loop;
end $$;

-- Last of all in each transaction: makes ready who may run. Takes what is told of limits out of `told`.
create function settle_limits(inout told text[], p_at bigint) language plpgsql as $$
declare
  v_key record;
begin
  -- Most transactions have none.
  if not exists (select from unnest(told) line where starts_with(line, 'limit ')) then return; end if;
  for v_key in
    select distinct split_part(substr(line, 7), chr(31), 1) as namespace, split_part(line, chr(31), 2) as key
    from unnest(told) line where starts_with(line, 'limit ') order by 1, 2
  loop
    if pg_try_advisory_xact_lock(limits_lock(v_key.namespace)) then
      told := settle_limit(told, p_at, v_key.namespace, v_key.key);
    else
      insert into unsettled (namespace, key) values (v_key.namespace, v_key.key);
      told := told || ('due ' || p_at);
    end if;
  end loop;
  told := array(select line from unnest(told) line where not starts_with(line, 'limit '));
end $$;

-- Looks at the lines that were left to it, and at those whose rate has room again. It has no rows yet, and may wait.
create function settle_due_limits(inout told text[], p_at bigint, p_limit integer) language plpgsql as $$
begin
  perform pg_advisory_xact_lock(turn) from (
    select distinct limits_lock(namespace) turn from (
      select namespace from unsettled
      union select namespace from rates where due_at is not null and due_at <= p_at
      union select namespace from (select namespace from rates where due_at is null and full_at <= p_at limit 1) idle
    ) due order by turn
  ) turns;
  with left_over as (delete from unsettled where pg_try_advisory_xact_lock(limits_lock(namespace)) returning namespace, key),
    due as (
      update rates set due_at = null where (namespace, key) in (
        select namespace, key from rates where due_at is not null and due_at <= p_at order by due_at limit p_limit)
        and pg_try_advisory_xact_lock(limits_lock(namespace))
      returning namespace, key)
  select told || coalesce(array_agg(limit_told(namespace, key)), '{}') into told
  from (select * from left_over union select * from due) keys;
  delete from rates where (namespace, key) in (
    select namespace, key from rates where due_at is null and full_at <= p_at order by full_at limit p_limit
  ) and pg_try_advisory_xact_lock(limits_lock(namespace));
  told := settle_limits(told, p_at);
end $$;

create function set_limit(p_floor bigint, p_namespace text, p_key text, p_max integer, p_count integer, p_interval bigint)
returns jsonb language plpgsql as $$
declare
  v_at bigint;
  v_told text[] := array[limit_told(p_namespace, p_key)];
begin
  perform pg_advisory_xact_lock(limits_lock(p_namespace));
  v_at := greatest(now_ms(), p_floor);
  insert into limits (namespace, key, max_running, rate_count, rate_interval_ms)
  values (p_namespace, p_key, p_max, p_count, p_interval)
  on conflict (namespace, key) do update
  set max_running = p_max, rate_count = p_count, rate_interval_ms = p_interval;
  v_told := settle_limits(v_told, v_at);
  return jsonb_build_object('at', v_at, 'told', to_jsonb(v_told));
end $$;

create function remove_limit(p_floor bigint, p_namespace text, p_key text) returns jsonb language plpgsql as $$
declare
  v_at bigint;
  v_told text[] := array[limit_told(p_namespace, p_key)];
  v_is_removed boolean;
begin
  perform pg_advisory_xact_lock(limits_lock(p_namespace));
  v_at := greatest(now_ms(), p_floor);
  delete from limits where namespace = p_namespace and key = p_key;
  v_is_removed := found;
  v_told := settle_limits(v_told, v_at);
  return jsonb_build_object('at', v_at, 'told', to_jsonb(v_told), 'isRemoved', v_is_removed);
end $$;
