-- What a task and all below it may use; see task-budgets.ts. Whoever reserves or settles holds the budget's row.

create function reserve_budget(p_ask jsonb, p_lost_tokens bigint) returns jsonb language plpgsql as $$
declare
  v_budget uuid := p_ask->>'budgetId';
  v_task uuid := p_ask->>'taskId';
  v_step text := p_ask->>'step';
  v_used budgets;
  v_own budget_steps;
  v_held_tokens bigint;
  v_held_cost double precision;
  v_ask_tokens bigint := coalesce((p_ask->'asked'->>'tokens')::bigint, 0);
  v_ask_cost double precision := coalesce((p_ask->'asked'->>'costMicroUsd')::double precision, 0);
  v_most_tokens bigint := (p_ask->'most'->>'tokens')::bigint;
  v_most_cost double precision := (p_ask->'most'->>'costMicroUsd')::double precision;
  v_outcome text := 'held';
  v_limit text;
begin
  insert into budgets (id, tokens, cost_micro_usd) values (v_budget, 0, 0) on conflict do nothing;
  select * into v_used from budgets where id = v_budget for update;
  select * into v_own from budget_steps where budget_id = v_budget and task_id = v_task and step = v_step;
  if v_own.attempt < (p_ask->>'attempt')::integer then
    update budgets set tokens = tokens + least(v_own.held_tokens, p_lost_tokens),
      cost_micro_usd = cost_micro_usd
        + v_own.held_cost * least(1, p_lost_tokens / greatest(v_own.held_tokens, 1)::double precision)
    where id = v_budget returning * into v_used;
  end if;
  update budget_steps b set held_tokens = 0, held_cost = 0, attempt = null
  where budget_id = v_budget and attempt is not null and (task_id = v_task and step = v_step
    or not exists (select from queue q where q.task_id = b.task_id));
  select coalesce(sum(held_tokens), 0), coalesce(sum(held_cost), 0) into v_held_tokens, v_held_cost
  from budget_steps where budget_id = v_budget and attempt is not null;
  -- Fractions of a micro-dollar pass: amounts are rounded up.
  v_limit := case
    when v_used.tokens + v_ask_tokens > v_most_tokens then 'tokens'
    when floor(v_used.cost_micro_usd) + v_ask_cost > v_most_cost then 'costMicroUsd' end;
  if v_limit is not null then v_outcome := 'exceeded';
  else
    v_limit := case
      when v_used.tokens + v_held_tokens + v_ask_tokens > v_most_tokens then 'tokens'
      when floor(v_used.cost_micro_usd) + v_held_cost + v_ask_cost > v_most_cost then 'costMicroUsd' end;
    if v_limit is not null then v_outcome := 'waits'; end if;
  end if;
  if v_outcome = 'held' then
    insert into budget_steps (budget_id, task_id, step, attempt, held_tokens, held_cost, used_tokens, used_cost)
    values (v_budget, v_task, v_step, (p_ask->>'attempt')::integer, v_ask_tokens, v_ask_cost, 0, 0)
    on conflict (budget_id, task_id, step) do update
      set attempt = excluded.attempt, held_tokens = excluded.held_tokens, held_cost = excluded.held_cost;
  end if;
  return jsonb_strip_nulls(jsonb_build_object('outcome', v_outcome, 'limit', v_limit,
    'used', jsonb_build_object('tokens', v_used.tokens, 'costMicroUsd', v_used.cost_micro_usd)));
end $$;

create function settle_budget(p_said jsonb) returns jsonb language plpgsql as $$
declare
  v_budget uuid := p_said->>'budgetId';
  v_tokens bigint := coalesce((p_said->'used'->>'tokens')::bigint, 0);
  v_cost double precision := coalesce((p_said->'used'->>'costMicroUsd')::double precision, 0);
  v_used budgets;
  v_own budget_steps;
begin
  insert into budgets (id, tokens, cost_micro_usd) values (v_budget, 0, 0) on conflict do nothing;
  perform from budgets where id = v_budget for update;
  select * into v_own from budget_steps
  where budget_id = v_budget and task_id = (p_said->>'taskId')::uuid and step = p_said->>'step';
  update budgets set tokens = tokens + v_tokens - coalesce(v_own.used_tokens, 0),
    cost_micro_usd = cost_micro_usd + v_cost - coalesce(v_own.used_cost, 0)
  where id = v_budget returning * into v_used;
  insert into budget_steps (budget_id, task_id, step, attempt, held_tokens, held_cost, used_tokens, used_cost)
  values (v_budget, (p_said->>'taskId')::uuid, p_said->>'step', null, 0, 0, v_tokens, v_cost)
  on conflict (budget_id, task_id, step) do update set attempt = null, held_tokens = 0, held_cost = 0,
    used_tokens = excluded.used_tokens, used_cost = excluded.used_cost;
  return jsonb_build_object('tokens', v_used.tokens, 'costMicroUsd', v_used.cost_micro_usd);
end $$;
