-- What owners write, beside the plain appends and ends that submit.ts, append.ts and finish.ts write many at once.

create function find_owned(p_owner jsonb) returns queue language sql stable as $$
  select q from queue q
  where task_id = (p_owner->>'taskId')::uuid and attempt = (p_owner->>'attempt')::integer
    and worker_id = p_owner->>'workerId' and state = 1
$$;

-- The answer to a write of an owner that holds the task no more: to one that was written before, as it was then.
create function answer_lost(p_write jsonb) returns jsonb language sql stable as $$
  select coalesce(
    (select jsonb_build_object('ok', true, 'at', at) from outcomes
     where p_write->>'op' = 'finish' and task_id = (p_write->'owner'->>'taskId')::uuid
       and attempt = (p_write->'owner'->>'attempt')::integer),
    earlier_write(p_write),
    '{"ok": false, "reason": "lost"}')
$$;

-- The answer to an earlier write of these entries by this attempt; null when there was none.
create function earlier_write(p_write jsonb) returns jsonb language sql stable as $$
  select jsonb_build_object('ok', true, 'at', at) from journal
  where task_id = (p_write->'owner'->>'taskId')::uuid and seq = (p_write->'entries'->-1->>'seq')::integer
    and attempt = (p_write->'owner'->>'attempt')::integer and type = p_write->'entries'->-1->>'type'
$$;

-- Null, or the answer to the earlier write when these entries are there already; then it changes nothing.
create function write_entries(p_at bigint, p_write jsonb, p_entries jsonb) returns jsonb language plpgsql as $$
declare
  v_task uuid := p_write->'owner'->>'taskId';
  v_taken integer;
  v_earlier jsonb;
begin
  select min(j.seq) into v_taken
  from jsonb_array_elements(p_entries) e join journal j on j.task_id = v_task and j.seq = (e->>'seq')::integer;
  if v_taken is not null then
    if v_taken = (p_entries->0->>'seq')::integer then v_earlier := earlier_write(p_write); end if;
    if v_earlier is not null then return v_earlier; end if;
    raise exception 'Entry % of task % is another one', v_taken, v_task using errcode = 'OP002';
  end if;
  insert into journal (task_id, seq, type, attempt, at, branch, name, count, asked, data)
  select v_task, e.seq, e.type, (p_write->'owner'->>'attempt')::integer, p_at, e.branch, e.name, e.count, e.asked, e.data
  from jsonb_to_recordset(p_entries)
    as e(seq integer, type text, branch text, name text, count integer, asked integer, data text);
  return null;
end $$;

create function apply_effects(inout told text[], p_at bigint, p_namespace text, p_write jsonb) language plpgsql as $$
declare
  v_each jsonb;
  v_ignored record;
begin
  if p_write ? 'takes' then
    perform take_items(p_at, (p_write->'owner'->>'taskId')::uuid, p_write->'takes');
  end if;
  for v_each in select * from jsonb_array_elements(p_write->'children') loop
    select s.told into told from submit_task(told, p_at, v_each) s;
  end loop;
  for v_each in select * from jsonb_array_elements(p_write->'posts') loop
    select d.told into told from deliver(told, p_at, p_namespace, (v_each->>'taskId')::uuid, v_each->'item') d;
  end loop;
end $$;

create function append_entries(inout told text[], p_at bigint, p_write jsonb, out result jsonb) language plpgsql as $$
declare
  v_task queue := find_owned(p_write->'owner');
begin
  result := case when v_task.task_id is null then answer_lost(p_write)
    else write_entries(p_at, p_write, p_write->'entries') end;
  if result is not null then return; end if;
  told := apply_effects(told, p_at, v_task.namespace, p_write) || ('changed ' || v_task.task_id);
  result := jsonb_build_object('ok', true, 'at', p_at);
end $$;

-- What follows from the end of a task for its parent, its children and its session.
create function follow_end(inout told text[], p_at bigint, p_task queue, p_child_data text) language plpgsql as $$
declare
  v_child uuid;
begin
  if p_task.parent_id is not null then
    select d.told into told from tasks t, deliver(told, p_at, p_task.namespace, p_task.parent_id, jsonb_build_object(
      'id', gen_random_uuid(), 'kind', 'child', 'key', coalesce(t.parent_key, 'child:' || t.id),
      'data', p_child_data)) d
    where t.namespace = p_task.namespace and t.id = p_task.task_id;
  end if;
  if p_task.has_children then
    for v_child in
      select q.task_id from tasks t join queue q on q.task_id = t.id
      where t.parent_id = p_task.task_id order by q.task_id
    loop
      select d.told into told from deliver(told, p_at, p_task.namespace, v_child, jsonb_build_object(
        'id', gen_random_uuid(), 'kind', 'cancel', 'key', '',
        -- What json_build_object writes has spaces in it.
        'data', '{"reason":"parent_ended","parentId":"' || p_task.task_id || '"}')) d;
    end loop;
  end if;
  if p_task.session_id is not null then
    told := free_session(told, p_at, p_task.namespace, p_task.session_id);
  end if;
  told := told || ('changed ' || p_task.task_id);
end $$;

-- The end of a task, with all that follows from it. `childData` of the
-- write: what the parent is told; `errorCode`: of one that failed.
create function finish_task(inout told text[], p_at bigint, p_write jsonb, out result jsonb) language plpgsql as $$
declare
  v_task queue := find_owned(p_write->'owner');
  v_entries jsonb := p_write->'entries';
  v_last jsonb := v_entries->-1;
begin
  if v_task.task_id is null then
    result := answer_lost(p_write);
    return;
  end if;
  delete from queue where task_id = v_task.task_id;
  told := leave_slots(told, v_task.namespace, v_task.task_id, v_task.limits);
  if jsonb_array_length(v_entries) > 1 then perform write_entries(p_at, p_write, v_entries - -1); end if;
  if exists (select from journal where task_id = v_task.task_id and seq >= (v_last->>'seq')::integer) then
    raise exception 'Entry % of task % is another one', v_last->>'seq', v_task.task_id using errcode = 'OP002';
  end if;
  insert into outcomes (task_id, namespace, status, failures, seq, attempt, at, error_code, asked, data)
  values (v_task.task_id, v_task.namespace, p_write->>'status',
    v_task.failures + (p_write->>'status' = 'failed')::integer, (v_last->>'seq')::integer,
    v_task.attempt, p_at, p_write->>'errorCode', (v_last->>'asked')::integer, v_last->>'data');
  told := apply_effects(told, p_at, v_task.namespace, p_write);
  told := follow_end(told, p_at, v_task, p_write->>'childData');
  result := jsonb_build_object('ok', true, 'at', p_at);
end $$;

-- Suspend, release and pause: entries and effects are written, the task moves, and what the owner left in the inbox is heeded.
create function give_up_task(inout told text[], p_at bigint, p_write jsonb, out result jsonb) language plpgsql as $$
declare
  v_task queue := find_owned(p_write->'owner');
  v_id uuid := v_task.task_id;
begin
  if v_id is null then
    result := answer_lost(p_write);
    return;
  end if;
  if p_write->>'op' = 'suspend' and is_awakened(v_id, p_write) then
    result := '{"ok": false, "reason": "awakened"}';
    return;
  end if;
  perform write_entries(p_at, p_write, p_write->'entries');
  told := apply_effects(told, p_at, v_task.namespace, p_write);
  case p_write->>'op'
    when 'suspend' then
      told := open_waits(told, p_at, v_id, p_write->'waits');
    when 'release' then
      update queue set failures = (p_write->>'failures')::integer where task_id = v_id;
      told := make_pending(told, p_at, v_id, p_at + (p_write->>'delayMs')::numeric::bigint);
    when 'pause' then
      told := make_idle(told, v_id, 5, null, p_write->>'reason');
  end case;
  told := heed_inbox(told, p_at, v_id);
  result := jsonb_build_object('ok', true, 'at', p_at);
end $$;

-- Whether the inbox holds what ends one of the waits, or a control item, that this write does not take.
create function is_awakened(p_task uuid, p_write jsonb) returns boolean language sql stable as $$
  select exists (
    select from inbox i where i.task_id = p_task and i.taken_at is null
      and not coalesce(p_write->'takes' ? i.id::text, false)
      and (is_control(i.kind) or exists (select from jsonb_array_elements(p_write->'waits') w where w->>'key' = i.key
        or w->>'kind' = 'doubt' and i.key = 'evidence:' || (w->>'hash'))))
$$;

create function open_waits(inout told text[], p_at bigint, p_task uuid, p_waits jsonb) language plpgsql as $$
declare
  v_due bigint := (select min((w->>'dueAt')::numeric) from jsonb_array_elements(p_waits) w);
begin
  if v_due <= p_at then
    told := make_ready(told, p_task, v_due);
    return;
  end if;
  insert into waits (task_id, position, step, hash, kind, name, key, due_at, data)
  select p_task, n, w->>'step', w->>'hash', w->>'kind', w->>'name', w->>'key', (w->>'dueAt')::numeric, w->>'data'
  from jsonb_array_elements(p_waits) with ordinality as waits(w, n);
  told := make_idle(told, p_task, 4, v_due, null);
end $$;
