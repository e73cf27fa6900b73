-- What comes from outside: submits, posts, reopenings.

-- Creates a task, also as another's child. Made again with the same id, it answers as it did the first time.
create function submit_task(inout told text[], p_at bigint, p_task jsonb, out result jsonb) language plpgsql as $$
declare
  v_new tasks;
begin
  v_new.created_at := p_at;
  v_new.namespace := p_task->>'namespace';
  v_new.id := p_task->>'id';
  v_new.kind := p_task->>'kind';
  v_new.name := p_task->>'name';
  v_new.queue := p_task->>'queue';
  v_new.priority := p_task->>'priority';
  v_new.due_at := (p_task->>'dueAt')::numeric;
  v_new.deadline_at := coalesce((p_task->>'deadlineAt')::numeric, p_at + (p_task->>'timeoutMs')::numeric);
  v_new.attempt_timeout_ms := (p_task->>'attemptTimeoutMs')::numeric;
  v_new.idempotency_key := p_task->>'idempotencyKey';
  v_new.request_digest := p_task->>'requestDigest';
  v_new.parent_id := p_task->>'parentId';
  v_new.parent_key := p_task->>'parentKey';
  v_new.options := p_task->>'options';
  v_new.input := p_task->>'input';
  v_new.limits := p_task->'limits';
  v_new.session_id := coalesce(p_task->>'sessionId',
    (select session_id from tasks where namespace = v_new.namespace and id = v_new.parent_id));
  insert into tasks (namespace, id, kind, name, queue, priority, created_at, due_at, deadline_at, attempt_timeout_ms,
    idempotency_key, request_digest, session_id, parent_id, parent_key, options, limits, input)
  values (v_new.namespace, v_new.id, v_new.kind, v_new.name, v_new.queue, v_new.priority, v_new.created_at, v_new.due_at,
    v_new.deadline_at, v_new.attempt_timeout_ms, v_new.idempotency_key, v_new.request_digest, v_new.session_id,
    v_new.parent_id, v_new.parent_key, v_new.options, v_new.limits, v_new.input)
  on conflict do nothing;
  if not found then
    result := answer_submitted(v_new);
    return;
  end if;
  if v_new.parent_id is not null then
    update queue set has_children = true where task_id = v_new.parent_id and not has_children;
  end if;
  told := enqueue(told, p_at, v_new, 0, coalesce(v_new.due_at, p_at), v_new.deadline_at, false);
  result := jsonb_build_object('taskId', v_new.id, 'outcome', 'created', 'createdAt', p_at);
end $$;

-- The answer to a submit whose id or idempotency key was there.
create function answer_submitted(p_new tasks) returns jsonb language plpgsql as $$
declare
  v_found tasks;
begin
  select * into v_found from tasks
  where namespace = p_new.namespace and idempotency_key = p_new.idempotency_key and id <> p_new.id;
  if found then
    return jsonb_build_object('taskId', v_found.id, 'createdAt', v_found.created_at, 'outcome',
      case when v_found.request_digest is not distinct from p_new.request_digest then 'existing' else 'conflict' end);
  end if;
  select * into strict v_found from tasks where namespace = p_new.namespace and id = p_new.id;
  return jsonb_build_object('taskId', v_found.id, 'outcome', 'created', 'createdAt', v_found.created_at);
end $$;

create function refuse(p_namespace text, p_task uuid) returns jsonb language sql stable as $$
  select coalesce(
    (select jsonb_build_object('ok', false, 'reason', 'wrong_state', 'status', coalesce(o.status,
       (array['pending', 'running', 'pending', 'pending', 'waiting', 'paused', 'pending', 'pending'])[q.state + 1]))
     from tasks t left join queue q on q.task_id = t.id left join outcomes o on o.task_id = t.id
     where t.namespace = p_namespace and t.id = p_task),
    '{"ok": false, "reason": "not_found"}')
$$;

create function post_item(inout told text[], p_at bigint, p_write jsonb, out result jsonb) language plpgsql as $$
declare
  v_task uuid := p_write->>'taskId';
  v_item jsonb := p_write->'item';
  v_is_known boolean;
begin
  if v_item->>'kind' = 'decision' and not was_posted(v_task, (v_item->>'id')::uuid)
      and not asks_for(p_at, v_task, v_item->>'key') then
    result := refuse(p_write->>'namespace', v_task);
    if result->>'reason' = 'wrong_state' then result := result || '{"reason": "not_open"}'; end if;
    return;
  end if;
  select * into told, v_is_known from deliver(told, p_at, p_write->>'namespace', v_task, v_item);
  result := case when v_is_known then '{"ok": true}' else refuse(p_write->>'namespace', v_task) end;
  if result->>'reason' = 'wrong_state' and was_posted(v_task, (v_item->>'id')::uuid) then
    result := '{"ok": true}';
  end if;
end $$;

create function reopen_task(inout told text[], p_at bigint, p_write jsonb, out result jsonb) language plpgsql as $$
declare
  v_id uuid := p_write->>'taskId';
  v_task tasks;
  v_end outcomes;
  v_item jsonb := jsonb_build_object('id', p_write->'itemId', 'kind', 'reopen', 'key', '');
begin
  select * into v_task from tasks where namespace = p_write->>'namespace' and id = v_id;
  if found and was_posted(v_id, (p_write->>'itemId')::uuid) then
    result := '{"ok": true}';
    return;
  end if;
  delete from outcomes where task_id = v_task.id and status = 'failed' returning * into v_end;
  if v_end.task_id is null then
    result := refuse(p_write->>'namespace', v_id);
    return;
  end if;
  insert into journal (task_id, seq, type, attempt, at, asked, data)
  values (v_id, v_end.seq, 'task.failed', v_end.attempt, v_end.at, v_end.asked, v_end.data);
  told := enqueue(told, p_at, v_task, v_end.attempt, p_at, p_at + v_task.deadline_at - v_task.created_at,
    exists (select from tasks where parent_id = v_id));
  select p.told into told from put_item(told, p_at, v_id, v_item) p;
  result := '{"ok": true}';
end $$;
