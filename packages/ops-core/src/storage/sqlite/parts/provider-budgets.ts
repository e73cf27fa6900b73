import type { DatabaseSync } from 'node:sqlite';
import {
  callHoldMs,
  type ProviderAnswer,
  type ProviderBudgetStore,
  type ProviderKeyColumns,
  type ProviderLimit,
  type ProviderReport,
  placeHoldMs,
  providerKeysWhere,
  toProviderKey,
  toProviderLimit,
  toWaitingCall,
  type WaitingCallColumns,
  waitingCallsWhere,
} from '../../parts/provider-budgets.ts';
import { prepare } from '../database/statement.ts';
import type { Operation, StoreAccess } from '../writing/store-access.ts';

type Int = number | null;

function prepareReport(database: DatabaseSync): Operation<ProviderReport, readonly ProviderAnswer[]> {
  const putKey = prepare<[string, string, Int, Int]>(
    database,
    `insert into provider_keys (key, provider, requests_per_minute, tokens_per_minute) values (?1, ?2, ?3, ?4)
     on conflict do update set requests_per_minute = excluded.requests_per_minute,
       tokens_per_minute = excluded.tokens_per_minute`,
  );
  const settle = prepare<[id: string, tokens: number, expiresAt: number]>(
    database,
    'update provider_calls set state = 2, tokens = ?2, expires_at = ?3 where id = ?1 and state > 0',
  );
  const hold = prepare<[id: string, expiresAt: number]>(
    database,
    'update provider_calls set expires_at = ?2 where id = ?1 and state = 1',
  );
  const withdraw = prepare<[id: string]>(database, 'delete from provider_calls where id = ?1 and state < 2');
  const ask = prepare<[string, string, number, string | null, at: number, expiresAt: number]>(
    database,
    `insert into provider_calls (id, key, state, tokens, task_id, asked_at, expires_at)
     values (?1, ?2, 0, ?3, ?4, ?5, ?6)
     on conflict do update set expires_at = excluded.expires_at where state = 0`,
  );
  const stateOf = prepare<[id: string], [state: number]>(
    database,
    'select state from provider_calls where id = ?1',
  );
  const expire = ['state = 0', 'state > 0'].map((state) =>
    prepare<[key: string, at: number]>(
      database,
      `delete from provider_calls where key = ?1 and ${state} and expires_at <= ?2`,
    ),
  );
  const admit = prepareAdmit(database);
  return ({ at }, { keys, asked, settled, held, withdrawn }) => {
    for (const { key, provider, requestsPerMinute, tokensPerMinute } of keys)
      putKey.get(key, provider, requestsPerMinute ?? null, tokensPerMinute ?? null);
    for (const { id, tokens, keepMs } of settled) settle.get(id, tokens, at + keepMs);
    for (const id of held) hold.get(id, at + callHoldMs);
    for (const id of withdrawn) withdraw.get(id);
    for (const { id, key, tokens, taskId = null } of asked)
      ask.get(id, key, tokens, taskId, at, at + placeHoldMs);
    const waiting = new Set(asked.flatMap(({ id }) => (stateOf.get(id)?.[0] === 0 ? [id] : [])));
    // Of an earlier report, whose answer was lost.
    const open = asked.filter(({ id }) => !waiting.has(id)).map(({ id }) => ({ id, waitMs: 0, ahead: 0 }));
    return keys.reduce<ProviderAnswer[]>((answers, { key }) => {
      for (const statement of expire) statement.get(key, at);
      return answers.concat(admit(at, key, waiting));
    }, open);
  };
}

/** Whoever waits before others has the first right to what is free, also while its process is still to ask again. */
function prepareAdmit(
  database: DatabaseSync,
): (at: number, key: string, asked: ReadonlySet<string>) => ProviderAnswer[] {
  const boundsOf = prepare<[key: string], [requests: Int, tokens: Int]>(
    database,
    `select case when l.provider is null then k.requests_per_minute else l.requests_per_minute end,
       case when l.provider is null then k.tokens_per_minute else l.tokens_per_minute end
     from provider_keys k left join provider_limits l on l.provider = k.provider where k.key = ?1`,
  );
  const counted = prepare<[key: string], [expiresAt: number, tokens: number]>(
    database,
    'select expires_at, tokens from provider_calls where key = ?1 and state > 0 order by expires_at',
  );
  const waiting = prepare<[key: string], [id: string, tokens: number]>(
    database,
    'select id, tokens from provider_calls where key = ?1 and state = 0 order by asked_at, id',
  );
  const open = prepare<[id: string, expiresAt: number]>(
    database,
    'update provider_calls set state = 1, expires_at = ?2 where id = ?1',
  );
  return (at, key, asked) => {
    const [requests, tokens] = boundsOf.get(key) ?? [null, null];
    const line = new Line(
      at,
      { requests: requests ?? Infinity, tokens: tokens ?? Infinity },
      counted.all(key),
    );
    const answers: ProviderAnswer[] = [];
    for (const [ahead, [id, estimate]] of waiting.all(key).entries()) {
      const waitMs = line.waitMs(estimate);
      if (!asked.has(id)) continue;
      if (waitMs === 0) open.get(id, at + callHoldMs);
      answers.push({ id, waitMs, ahead });
    }
    return answers;
  };
}

/** The calls of a key that wait, one after the other, and when what counts now ends. */
class Line {
  readonly #at: number;
  readonly #most: { requests: number; tokens: number };
  readonly #counted: readonly [expiresAt: number, tokens: number][];
  #requests: number;
  #tokens: number;
  #ended = 0;
  #until: number;

  constructor(
    at: number,
    most: { requests: number; tokens: number },
    counted: readonly [expiresAt: number, tokens: number][],
  ) {
    this.#at = at;
    this.#until = at;
    this.#most = most;
    this.#counted = counted;
    this.#requests = counted.length;
    this.#tokens = counted.reduce((sum, [, tokens]) => sum + tokens, 0);
  }

  /** Of the next one in line; 0 only when nobody before it has to wait. */
  waitMs(estimate: number): number {
    const tokens = Math.min(estimate, this.#most.tokens);
    this.#requests += 1;
    this.#tokens += tokens;
    while (this.#requests > this.#most.requests || this.#tokens > this.#most.tokens) {
      const next = this.#counted[this.#ended++];
      if (next === undefined) {
        this.#until += 60_000;
        this.#requests = 1;
        this.#tokens = tokens;
        break;
      }
      this.#until = next[0];
      this.#requests -= 1;
      this.#tokens -= next[1];
    }
    return this.#ended === 0 ? 0 : Math.max(1, this.#until - this.#at);
  }
}

function prepareProviderLimits(database: DatabaseSync) {
  const set = prepare<[string, Int, Int]>(
    database,
    `insert into provider_limits (provider, requests_per_minute, tokens_per_minute) values (?1, ?2, ?3)
     on conflict do update set requests_per_minute = excluded.requests_per_minute,
       tokens_per_minute = excluded.tokens_per_minute`,
  );
  const remove = prepare<[string]>(database, 'delete from provider_limits where provider = ?1');
  const setLimit: Operation<ProviderLimit, void> = (_turn, limit) => {
    set.get(limit.provider, limit.requestsPerMinute ?? null, limit.tokensPerMinute ?? null);
  };
  const removeLimit: Operation<string, boolean> = (_turn, provider) => remove.run(provider).changes === 1;
  return { setLimit, removeLimit };
}

export function openProviderBudgets(
  database: DatabaseSync,
  { write, read, now }: StoreAccess,
): ProviderBudgetStore {
  const report = prepareReport(database);
  const { setLimit, removeLimit } = prepareProviderLimits(database);
  const limits = prepare<[], [string, Int, Int]>(
    database,
    'select provider, requests_per_minute, tokens_per_minute from provider_limits order by provider',
  );
  const keys = prepare<[at: number], ProviderKeyColumns>(database, providerKeysWhere('?1'));
  const calls = prepare<[taskId: string, at: number], WaitingCallColumns>(
    database,
    waitingCallsWhere('?2').replace('$1', '?1'),
  );
  return {
    report: (said) => write(report, said),
    limits: () => read(() => limits.all().map(toProviderLimit)),
    setLimit: (limit) => write(setLimit, limit),
    removeLimit: (provider) => write(removeLimit, provider),
    keys: () => read(() => keys.all(now()).map(toProviderKey)),
    waitingCalls: (taskId) => read(() => calls.all(taskId, now()).map(toWaitingCall)),
  };
}
