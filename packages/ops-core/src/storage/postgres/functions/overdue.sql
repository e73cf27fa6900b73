-- Tasks whose time is up.

-- Effects that were intended, and whose results are not recorded.
create function open_effects(p_task uuid) returns jsonb language sql stable as $$
  select coalesce(jsonb_agg(jsonb_build_object('branch', coalesce(i.branch, ''), 'name', i.name, 'count', i.count) order by i.seq), '[]')
  from journal i where i.task_id = p_task and i.type = 'step.intended'
    and not exists (select from journal r where r.task_id = p_task and r.seq > i.seq and r.name = i.name
      and r.count = i.count and r.branch is not distinct from i.branch and r.type in ('step.completed', 'step.failed', 'step.intended'))
$$;

-- Those that nobody runs, with what `expire_task` has to be told of them.
create function overdue_tasks(p_at bigint, p_limit integer) returns jsonb language sql stable as $$
  select coalesce(jsonb_agg(jsonb_build_object('taskId', task_id, 'attempt', attempt, 'deadlineAt', task_deadline_at,
    'effects', open_effects(task_id))), '[]')
  from (
    select task_id, attempt, task_deadline_at from queue
    where task_deadline_at is not null and state <> 1 and task_deadline_at <= p_at order by task_deadline_at limit p_limit
  ) overdue
$$;

-- Ends such a task, unless it was taken meanwhile. It is written under a number of its own: what its last attempt writes
-- too late is refused.
create function expire_task(inout told text[], p_at bigint, p_write jsonb, out result jsonb) language plpgsql as $$
declare
  v_task queue;
begin
  result := '{"ok": true}';
  delete from queue where task_id = (p_write->>'taskId')::uuid and attempt = (p_write->>'attempt')::integer and state <> 1
    and task_deadline_at <= p_at returning * into v_task;
  if not found then return; end if;
  delete from waits where task_id = v_task.task_id;
  told := leave_slots(told, v_task.namespace, v_task.task_id, v_task.limits);
  insert into outcomes (task_id, namespace, status, failures, seq, attempt, at, error_code, data)
  select v_task.task_id, v_task.namespace, 'failed', v_task.failures + 1, coalesce(max(j.seq), 0) + 1, v_task.attempt + 1,
    p_at, 'deadline_exceeded', p_write->>'data'
  from journal j where j.task_id = v_task.task_id;
  told := follow_end(told, p_at, v_task, p_write->>'childData');
end $$;
