-- What must be done all the time: taking tasks from the dead, and making ready what has become due. Rows that another
-- transaction works on are passed over, so that nobody waits for anybody.

-- A worker that left, or is dead, is forgotten when it holds nothing. It may hold a task yet that was passed over, since a
-- write of its own is still on its way: then its row stays, expired, for the next sweep.
create function forget_worker(p_worker text) returns void language plpgsql as $$
begin
  delete from workers where id = p_worker
    and not exists (select from queue where state = 1 and worker_id = p_worker);
  update workers set lease_until_at = 0 where id = p_worker;
end $$;

create function take_back(inout told text[], p_at bigint, p_worker text, p_limit bigint, out taken integer)
language plpgsql as $$
declare
  v_task record;
begin
  taken := 0;
  for v_task in
    select task_id, due_at from queue where state = 1 and worker_id = p_worker limit p_limit for update skip locked
  loop
    told := heed_inbox(make_ready(told, v_task.task_id, v_task.due_at), p_at, v_task.task_id);
    taken := taken + 1;
  end loop;
end $$;

create function remove_worker(p_floor bigint, p_worker text) returns jsonb language plpgsql as $$
declare
  v_at bigint := greatest(now_ms(), p_floor);
  v_told text[] := '{}';
begin
  -- First, so that a claim which is on its way is over, and none follows.
  update workers set lease_until_at = 0 where id = p_worker;
  select t.told into v_told from take_back(v_told, v_at, p_worker, null) t;
  perform forget_worker(p_worker);
  v_told := settle_limits(v_told, v_at);
  return jsonb_build_object('at', v_at, 'told', to_jsonb(v_told));
end $$;

-- Makes ready what a worker that lives holds beside these attempts of it.
create function give_back_others(p_floor bigint, p_worker text, p_tasks uuid[], p_attempts integer[]) returns jsonb
language plpgsql as $$
declare
  v_at bigint := greatest(now_ms(), p_floor);
  v_told text[] := '{}';
  v_count integer := 0;
  v_task record;
begin
  for v_task in
    select q.task_id, q.due_at from queue q where q.state = 1 and q.worker_id = p_worker and not exists (
      select 1 from unnest(p_tasks, p_attempts) held (task_id, attempt)
      where held.task_id = q.task_id and held.attempt = q.attempt
    ) for update skip locked
  loop
    v_told := heed_inbox(make_ready(v_told, v_task.task_id, v_task.due_at), v_at, v_task.task_id);
    v_count := v_count + 1;
  end loop;
  v_told := settle_limits(v_told, v_at);
  return jsonb_build_object('at', v_at, 'told', to_jsonb(v_told), 'count', v_count);
end $$;

-- Makes ready what expired workers hold, and attempts beyond their deadline among the p_rows rows behind p_behind;
-- `behind` of the answer is where the next sweep goes on. A worker that claims holds its own row, and is passed over.
create function sweep(p_floor bigint, p_limit integer, p_rows integer, p_behind uuid) returns jsonb language plpgsql as $$
declare
  v_now bigint := now_ms();
  v_at bigint := greatest(v_now, p_floor);
  v_told text[] := '{}';
  v_count integer := 0;
  v_taken integer;
  v_worker text;
  v_task record;
begin
  -- The clock went back: no lease lasts longer than it was given for.
  update workers set lease_until_at = v_now + lease_ttl_ms where lease_until_at > v_now + lease_ttl_ms;
  for v_worker in select id from workers where lease_until_at <= v_now order by id for update skip locked loop
    select * into v_told, v_taken from take_back(v_told, v_at, v_worker, p_limit - v_count);
    if v_taken < p_limit - v_count then perform forget_worker(v_worker); end if;
    v_count := v_count + v_taken;
  end loop;
  for v_task in
    select task_id, due_at from queue where task_id in (
      select o.task_id from (
        select task_id, state, deadline_at from queue where task_id > p_behind order by task_id limit p_rows
      ) o where o.state = 1 and o.deadline_at <= v_at limit p_limit - v_count
    ) and state = 1 and deadline_at <= v_at for update skip locked
  loop
    v_told := heed_inbox(make_ready(v_told, v_task.task_id, v_task.due_at), v_at, v_task.task_id);
    v_count := v_count + 1;
  end loop;
  v_told := settle_limits(v_told, v_at);
  return jsonb_build_object('at', v_at, 'told', to_jsonb(v_told), 'count', v_count, 'behind', (
    select task_id from queue where task_id > p_behind order by task_id limit 1 offset p_rows - 1));
end $$;

create function promote_due(p_floor bigint, p_limit integer) returns jsonb language plpgsql as $$
declare
  v_at bigint := greatest(now_ms(), p_floor);
  v_told text[] := '{}';
  v_task record;
begin
  v_told := settle_due_limits(v_told, v_at, p_limit);
  for v_task in
    select task_id, due_at from queue where state in (2, 4) and due_at is not null and due_at <= v_at
    order by due_at limit p_limit for update skip locked
  loop
    v_told := make_ready(v_told, v_task.task_id, v_task.due_at);
  end loop;
  v_told := settle_limits(v_told, v_at);
  return jsonb_build_object('at', v_at, 'told', to_jsonb(v_told),
    'overdue', overdue_tasks(v_at, p_limit), 'next', least(
    (select due_at from queue where state in (2, 4) and due_at is not null order by due_at limit 1),
    (select due_at from rates where due_at is not null order by due_at limit 1),
    (select task_deadline_at from queue where task_deadline_at is not null and state <> 1 order by task_deadline_at limit 1),
    (select v_at from unsettled limit 1)));
end $$;
