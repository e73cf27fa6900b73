-- How unfinished tasks that nobody runs change their state; each takes a claim on the task away. `told` gathers what
-- others want to hear of after the commit, as in turn.ts: 'ready QUEUE', 'changed TASK', 'posted TASK', 'due AT'; and
-- the keys that are to be settled (limits.sql).

-- As far as its limits let it. p_is_ending: whatever they say, though it takes its places.
create function make_ready(inout told text[], p_task uuid, p_due bigint, p_is_ending boolean default false)
language plpgsql as $$
declare
  v_row queue;
begin
  update queue set worker_id = null, deadline_at = null, paused_reason = null, due_at = p_due,
    state = case when p_is_ending then 7 when limits is null then 0 else 6 end,
    blocked_by = case when not p_is_ending then limits::jsonb->0->>'key' end
  where task_id = p_task returning * into v_row;
  if not found then return; end if;
  delete from waits where task_id = p_task;
  told := told || ('changed ' || p_task);
  if v_row.state <> 6 then told := told || ('ready ' || v_row.queue); end if;
  if v_row.limits is null then return; end if;
  if p_is_ending then perform take_slots(v_row.namespace, p_task, v_row.limits);
  else told := leave_slots(told, v_row.namespace, p_task, v_row.limits);
  end if;
end $$;

create function make_idle(inout told text[], p_task uuid, p_state integer, p_due bigint, p_reason text)
language plpgsql as $$
declare
  v_row queue;
begin
  update queue set state = p_state, worker_id = null, deadline_at = null, due_at = p_due, paused_reason = p_reason,
    blocked_by = null
  where task_id = p_task returning * into v_row;
  told := leave_slots(told || ('changed ' || p_task), v_row.namespace, p_task, v_row.limits);
  if p_due is not null and p_state <> 3 then told := told || ('due ' || p_due); end if;
end $$;

-- Ready, or pending until it is due.
create function make_pending(inout told text[], p_at bigint, p_task uuid, p_due bigint) language plpgsql as $$
begin
  told := case when p_due <= p_at then make_ready(told, p_task, p_due) else make_idle(told, p_task, 2, p_due, null) end;
end $$;

-- From paused back to where it was in the line: behind its session, due later, or ready.
create function resume_task(inout told text[], p_at bigint, p_task uuid) language plpgsql as $$
declare
  v_due bigint;
begin
  select coalesce(t.due_at, p_at) into v_due
  from queue q join tasks t on t.namespace = q.namespace and t.id = q.task_id where q.task_id = p_task;
  if exists (
    select from queue q join queue p
      on p.namespace = q.namespace and p.session_id = q.session_id and p.session_order < q.session_order
    where q.task_id = p_task
  ) then
    told := make_idle(told, p_task, 3, v_due, null);
  else
    told := make_pending(told, p_at, p_task, v_due);
  end if;
end $$;

-- The turn passes to the session's next task, when that is held back by nothing else.
create function free_session(inout told text[], p_at bigint, p_namespace text, p_session text) language plpgsql as $$
declare
  v_head queue;
begin
  select * into v_head from queue where namespace = p_namespace and session_id = p_session
  order by session_order limit 1;
  if v_head.state = 3 then told := make_pending(told, p_at, v_head.task_id, v_head.due_at); end if;
end $$;

-- Puts a task into the queue: at the end of its session, due later, or ready. p_deadline: of the whole task.
create function enqueue(
  inout told text[], p_at bigint, p_task tasks, p_attempt integer, p_due bigint, p_deadline bigint, p_has_children boolean
) language plpgsql as $$
declare
  v_session text := case when p_task.parent_id is null then p_task.session_id end;
  v_limits text := own_limits(p_task.namespace, p_task.parent_id, p_task.limits);
  v_last bigint;
  v_state integer;
  v_blocked_by text;
begin
  if v_session is not null then
    select max(session_order) into v_last from queue where namespace = p_task.namespace and session_id = v_session;
  end if;
  v_state := case when v_last is not null then 3 when p_due > p_at then 2 when v_limits is null then 0 else 6 end;
  if v_state = 6 then
    v_blocked_by := v_limits::jsonb->0->>'key';
    told := told || limit_told(p_task.namespace, v_blocked_by);
  end if;
  -- By name, here and in all that writes: a later version may have added columns.
  insert into queue (task_id, state, attempt, queue, priority, due_at, failures, namespace, parent_id, session_id,
    session_order, has_children, has_inbox, limits, blocked_by, task_deadline_at)
  values (p_task.id, v_state, p_attempt, p_task.queue, p_task.priority, p_due, 0, p_task.namespace, p_task.parent_id, v_session,
    case when v_session is not null then coalesce(v_last, 0) + 1 end, p_has_children, false, v_limits, v_blocked_by, p_deadline);
  -- Once each: a batch may have thousands.
  if v_state = 0 and ('ready ' || p_task.queue) <> all(told) then told := told || ('ready ' || p_task.queue); end if;
  if v_state = 2 and ('due ' || p_due) <> all(told) then told := told || ('due ' || p_due); end if;
  if p_deadline is not null then told := told || ('due ' || p_deadline); end if;
end $$;
