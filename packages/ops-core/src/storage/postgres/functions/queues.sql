-- What an operator says of a queue. p_pause: null: nothing; JSON null: goes on; else by whom it is paused, and why.
-- The workers' epoch goes up with a pause: see claim.ts.
create function change_queue(p_floor bigint, p_namespace text, p_name text, p_weight integer, p_pause jsonb) returns jsonb
language plpgsql as $$
declare
  v_at bigint;
begin
  perform from workers order by id for no key update;
  v_at := greatest(now_ms(), p_floor);
  insert into queues (namespace, name, weight) values (p_namespace, p_name, coalesce(p_weight, 1))
  on conflict (namespace, name) do update set weight = coalesce(p_weight, queues.weight);
  if p_pause is null then return jsonb_build_object('at', v_at, 'told', '{}'::text[]); end if;
  if jsonb_typeof(p_pause) = 'null' then
    update queues set paused_at = null, paused_by = null, paused_reason = null
    where namespace = p_namespace and name = p_name;
    return jsonb_build_object('at', v_at, 'told', array['ready ' || p_name]);
  end if;
  update queues set paused_at = v_at, paused_by = p_pause->>'by', paused_reason = p_pause->>'reason'
  where namespace = p_namespace and name = p_name and paused_at is null;
  update workers set epoch = epoch + 1;
  return jsonb_build_object('at', v_at, 'told', '{}'::text[]);
end $$;
