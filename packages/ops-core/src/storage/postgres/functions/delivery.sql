-- Brings items to unfinished tasks and moves those that nobody runs. An owner hears of its items by itself.

create function is_control(p_kind text) returns boolean language sql immutable
  as $$ select p_kind in ('cancel', 'pause', 'resume', 'reopen') $$;

-- Whether the item is new.
create function put_item(inout told text[], p_at bigint, p_task uuid, p_item jsonb, out is_new boolean)
language plpgsql as $$
begin
  insert into inbox (id, task_id, kind, key, at, data)
  values ((p_item->>'id')::uuid, p_task, p_item->>'kind', p_item->>'key', p_at, p_item->>'data')
  on conflict (id) do nothing;
  is_new := found;
  if is_new then
    update queue set has_inbox = true where task_id = p_task and not has_inbox;
    told := told || ('posted ' || p_task) || ('changed ' || p_task);
  elsif not was_posted(p_task, (p_item->>'id')::uuid) then
    raise exception 'Inbox item % was posted to another task', p_item->>'id' using errcode = 'OP001';
  end if;
end $$;

-- Also when it was taken since.
create function was_posted(p_task uuid, p_item uuid) returns boolean language sql stable
  as $$ select exists (select from inbox where id = p_item and task_id = p_task) $$;

-- Whether the task waits for a decision under this key, and has none. One that comes after the wait was due does not end
-- it: whoever decides has to hear of that, also while nobody has looked at the task since.
create function asks_for(p_at bigint, p_task uuid, p_key text) returns boolean language sql stable as $$
  select exists (select from waits where task_id = p_task and key = p_key and coalesce(due_at >= p_at, true)) and not exists (
    select from inbox where task_id = p_task and key = p_key and kind = 'decision' and taken_at is null)
$$;

create function take_items(p_at bigint, p_task uuid, p_items jsonb) returns void language sql as $$
  update inbox set taken_at = p_at
  where id in (select item::uuid from jsonb_array_elements_text(p_items) item) and task_id = p_task and taken_at is null
$$;

-- Ends a task that no attempt has begun: none has anything to clean up, so that none is needed for the end either. It is
-- the end of attempt 0.
create function cancel_unbegun(inout told text[], p_at bigint, p_task uuid, p_item uuid) language plpgsql as $$
declare
  v_task queue;
  v_data text;
begin
  -- It says the reason, as the end does.
  update inbox set taken_at = p_at where id = p_item returning coalesce(data, '{"reason":"cancelled"}') into v_data;
  delete from queue where task_id = p_task returning * into v_task;
  told := leave_slots(told, v_task.namespace, p_task, v_task.limits);
  insert into outcomes (task_id, namespace, status, failures, seq, attempt, at, data)
  values (p_task, v_task.namespace, 'cancelled', v_task.failures, 1, 0, p_at, v_data);
  told := follow_end(told, p_at, v_task, json_build_object('taskId', p_task, 'status', 'cancelled')::text);
end $$;

-- Moves a task without an owner as the item asks.
create function move_task(inout told text[], p_at bigint, p_task uuid, p_item uuid, p_kind text, p_key text)
language plpgsql as $$
declare
  v_state integer;
  v_attempt integer;
begin
  select state, attempt into v_state, v_attempt from queue where task_id = p_task;
  case
    when p_kind = 'pause' then
      if v_state <> 5 then told := make_idle(told, p_task, 5, null, 'operator'); end if;
      update inbox set taken_at = p_at where id = p_item;
    when p_kind = 'cancel' and v_attempt = 0 then
      told := cancel_unbegun(told, p_at, p_task, p_item);
    when p_kind = 'cancel' then
      -- It may have something to clean up: its attempt writes the end, and waits for nobody.
      if v_state <> 7 then told := make_ready(told, p_task, p_at, true); end if;
    when p_kind = 'reopen' then
      if v_state not in (0, 7) then told := make_ready(told, p_task, p_at); end if;
    when p_kind = 'resume' then
      if v_state = 5 then told := resume_task(told, p_at, p_task);
      elsif v_state in (2, 4) then told := make_ready(told, p_task, p_at);
      end if;
    else
      if v_state = 4 and exists (select from waits where task_id = p_task
          and (key = p_key or kind = 'doubt' and p_key = 'evidence:' || hash)) then
        told := make_ready(told, p_task, p_at);
      end if;
  end case;
end $$;

-- Not `is_known`: no unfinished task of this namespace has this id.
create function deliver(inout told text[], p_at bigint, p_namespace text, p_task uuid, p_item jsonb, out is_known boolean)
language plpgsql as $$
declare
  v_state integer;
  v_is_new boolean;
begin
  select state into v_state from queue where task_id = p_task and namespace = p_namespace;
  is_known := found;
  if not is_known then return; end if;
  select * into told, v_is_new from put_item(told, p_at, p_task, p_item);
  if v_is_new and v_state <> 1 then
    told := move_task(told, p_at, p_task, (p_item->>'id')::uuid, p_item->>'kind', p_item->>'key');
  end if;
end $$;

-- For a task that lost its owner: does what control items ask that the owner did not take.
create function heed_inbox(inout told text[], p_at bigint, p_task uuid) language plpgsql as $$
declare
  v_item record;
begin
  for v_item in
    select id, kind, key from inbox where task_id = p_task and taken_at is null and is_control(kind) order by position
  loop
    told := move_task(told, p_at, p_task, v_item.id, v_item.kind, v_item.key);
  end loop;
end $$;
