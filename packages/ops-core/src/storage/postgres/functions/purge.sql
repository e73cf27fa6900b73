-- Deletes tasks that need not be kept any longer; see housekeeping.ts.

-- Whether anything below this task is unfinished.
create function is_family_alive(p_task uuid) returns boolean language sql stable as $$
  with recursive below as (
    select t.id from tasks t where t.parent_id = p_task
    union all
    select t.id from below b join tasks t on t.parent_id = b.id
  ) select exists (select from below b join queue q on q.task_id = b.id)
$$;

create function may_go(p_namespace text, p_task uuid, p_parent uuid) returns boolean language sql stable as $$
  select (p_parent is null or not exists (select from tasks where namespace = p_namespace and id = p_parent))
    and not is_family_alive(p_task)
$$;

-- Rows of p_ended ('completed' or 'unsuccessful') behind p_behind and before p_up_to; by p_before those may go that ended
-- before the time of their status. `behind` is the last row that was looked at.
create function purge(
  p_namespace text, p_ended text, p_behind uuid, p_up_to uuid, p_rows integer, p_entries integer, p_before jsonb
) returns jsonb language plpgsql as $$
declare
  v_ids uuid[] := '{}';
  v_sessions text[];
  v_row record;
  v_last uuid;
  v_seen integer := 0;
  v_left bigint := p_entries;
begin
  for v_row in
    select t.id, t.parent_id, t.session_id, o.status, o.at, o.seq from (
      select id, parent_id, session_id from tasks
      where p_ended = 'completed' and namespace = p_namespace and id > p_behind and id < p_up_to order by id limit p_rows
    ) t left join outcomes o on o.task_id = t.id and o.status = 'completed'
    union all
    select o.task_id, t.parent_id, t.session_id, o.status, o.at, o.seq from (
      select task_id, status, at, seq from outcomes
      where p_ended = 'unsuccessful' and namespace = p_namespace and status <> 'completed'
        and task_id > p_behind and task_id < p_up_to order by task_id limit p_rows
    ) o join tasks t on t.namespace = p_namespace and t.id = o.task_id
    order by id
  loop
    if v_left <= 0 then exit; end if;
    v_last := v_row.id;
    v_seen := v_seen + 1;
    -- Who retries one of its tasks holds the session's turn and waits for the outcome: do not wait for him in turn.
    if v_row.at < (p_before->>v_row.status)::bigint and may_go(p_namespace, v_row.id, v_row.parent_id)
        and (v_row.session_id is null
          or pg_try_advisory_xact_lock(hashtextextended(p_namespace || chr(31) || v_row.session_id, 0))) then
      v_ids := array_append(v_ids, v_row.id);
      v_left := v_left - v_row.seq;
    end if;
  end loop;
  -- What is being retried at this moment stays.
  v_ids := array(select task_id from outcomes where task_id = any(v_ids) order by task_id for update skip locked);
  delete from journal where task_id = any(v_ids);
  delete from inbox where task_id = any(v_ids) and taken_at is null;
  delete from inbox where task_id = any(v_ids) and taken_at is not null;
  delete from outcomes where task_id = any(v_ids);
  delete from budget_steps where budget_id = any(v_ids);
  delete from budgets where id = any(v_ids);
  delete from task_spending where task_id = any(v_ids);
  with gone as (
    delete from tasks where namespace = p_namespace and id = any(v_ids) returning session_id
  ) select array_agg(distinct session_id) into v_sessions from gone where session_id is not null;
  perform forget_session(p_namespace, session_id) from unnest(v_sessions) as s (session_id)
  where not exists (select from tasks t where t.namespace = p_namespace and t.session_id = s.session_id);
  return jsonb_build_object('deleted', cardinality(v_ids),
    'behind', case when v_left <= 0 or v_seen = p_rows then v_last end);
end $$;
