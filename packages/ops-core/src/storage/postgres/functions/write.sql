-- The writes of a batch, one after the other, in one transaction.

-- Takes every lock that the writes will need, in one order for all transactions, so that none waits in a circle: the
-- turns of sessions and the limits of namespaces, then rows of the queue by id. p_ids: the tasks that are named; p_ended:
-- those that end.
create function lock_tasks(p_ids uuid[], p_ended uuid[], p_writes jsonb) returns void language plpgsql as $$
declare
  v_ids uuid[];
begin
  select array_agg(id) into v_ids from (
    select unnest(p_ids) id
    union select parent_id from queue where task_id = any(p_ended) and parent_id is not null
    union select c.id from queue q join tasks c on c.parent_id = q.task_id where q.task_id = any(p_ended) and q.has_children
  ) needed;
  perform pg_advisory_xact_lock(turn) from (
    select distinct turn from (
      select hashtextextended(namespace || chr(31) || session_id, 0) turn from (
        select namespace, session_id from queue where task_id = any(p_ids)
        union all
        select t->>'namespace', t->>'sessionId' from jsonb_array_elements(p_writes) w, lateral (select w->'task' t) task
        where not t ? 'parentId'
        union all
        select t.namespace, t.session_id from jsonb_array_elements(p_writes) w
          join tasks t on t.namespace = w->>'namespace' and t.id = (w->>'taskId')::uuid
        where w->>'op' = 'reopen'
      ) sessions where session_id is not null
      union all
      select limits_lock(namespace) from limited_namespaces(v_ids, p_writes) namespace
    ) needed order by turn
  ) turns;
  perform from queue where task_id = any(v_ids) order by task_id for no key update;
end $$;

-- The namespaces in which these writes may settle limits, as well as it can be known before they are made.
create function limited_namespaces(p_ids uuid[], p_writes jsonb) returns setof text language sql stable as $$
  select namespace from queue where task_id = any(p_ids) and limits is not null
  union
  select next.namespace from queue q, lateral (
    select n.namespace, n.limits from queue n where n.namespace = q.namespace and n.session_id = q.session_id
    order by n.session_order limit 2
  ) next where q.task_id = any(p_ids) and q.session_id is not null and next.limits is not null
  union
  select w->'task'->>'namespace' from jsonb_array_elements(p_writes) w where w->'task' ? 'limits'
  union
  select c->>'namespace' from jsonb_array_elements(p_writes) w, jsonb_array_elements(w->'children') c where c ? 'limits'
  union
  select t.namespace from jsonb_array_elements(p_writes) w
    join tasks t on t.namespace = w->>'namespace' and t.id = (w->>'taskId')::uuid
  where w->>'op' = 'reopen' and t.limits is not null
$$;

-- p_floor: the latest time that the caller knows; time never goes back behind it.
create function write_all(p_floor bigint, p_ids uuid[], p_ended uuid[], p_writes jsonb) returns jsonb language plpgsql as $$
declare
  v_at bigint;
  v_write jsonb;
  v_result jsonb;
  v_results jsonb[] := '{}';
  v_told text[] := '{}';
begin
  perform lock_tasks(p_ids, p_ended, p_writes);
  v_at := greatest(now_ms(), p_floor);
  for v_write in select w from jsonb_array_elements(p_writes) with ordinality as writes(w, n) order by n loop
    case v_write->>'op'
      when 'submit' then select * into v_told, v_result from submit_task(v_told, v_at, v_write->'task');
      when 'append' then select * into v_told, v_result from append_entries(v_told, v_at, v_write);
      when 'finish' then select * into v_told, v_result from finish_task(v_told, v_at, v_write);
      when 'post' then select * into v_told, v_result from post_item(v_told, v_at, v_write);
      when 'expire' then select * into v_told, v_result from expire_task(v_told, v_at, v_write);
      when 'reopen' then select * into v_told, v_result from reopen_task(v_told, v_at, v_write);
      else select * into v_told, v_result from give_up_task(v_told, v_at, v_write);
    end case;
    v_results := array_append(v_results, v_result);
  end loop;
  v_told := settle_limits(v_told, v_at);
  return jsonb_build_object('at', v_at, 'results', to_jsonb(v_results), 'told', to_jsonb(v_told));
end $$;
