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
import type { StoreClock } from '../database/clock.ts';
import { type Run, statement } from '../database/connections.ts';
import { toJsonText, toText } from '../database/text.ts';

const reportProviderCalls = statement<[answers: readonly ProviderAnswer[]]>(
  'report_provider_calls',
  'select report_provider_calls($1, $2::jsonb, $3, $4)',
);

const encodeReport = (report: ProviderReport, floor: number): unknown[] => [
  floor,
  toJsonText(report),
  callHoldMs,
  placeHoldMs,
];

const providerLimits = statement<[string, number | null, number | null]>(
  'provider_limits',
  'select provider, requests_per_minute, tokens_per_minute from provider_limits order by provider',
);

const setProviderLimit = statement(
  'set_provider_limit',
  `insert into provider_limits (provider, requests_per_minute, tokens_per_minute) values ($1, $2, $3)
   on conflict (provider) do update set requests_per_minute = excluded.requests_per_minute,
     tokens_per_minute = excluded.tokens_per_minute`,
);

const encodeProviderLimit = (limit: ProviderLimit): unknown[] => [
  toText(limit.provider),
  limit.requestsPerMinute ?? null,
  limit.tokensPerMinute ?? null,
];

const removeProviderLimit = statement<[string]>(
  'remove_provider_limit',
  'delete from provider_limits where provider = $1 returning provider',
);

const providerKeys = statement<ProviderKeyColumns>('provider_keys', providerKeysWhere('now_ms()'));

const waitingCalls = statement<WaitingCallColumns>('waiting_calls', waitingCallsWhere('now_ms()'));

export function openProviderBudgets(run: Run, clock: StoreClock): ProviderBudgetStore {
  return {
    async report(report) {
      const rows = await run('writes', reportProviderCalls, encodeReport(report, clock.floor));
      return rows[0]?.[0] ?? [];
    },
    limits: async () => (await run('reads', providerLimits, [])).map(toProviderLimit),
    async setLimit(limit) {
      await run('writes', setProviderLimit, encodeProviderLimit(limit));
    },
    removeLimit: async (provider) =>
      (await run('writes', removeProviderLimit, [toText(provider)])).length === 1,
    keys: async () => (await run('reads', providerKeys, [])).map(toProviderKey),
    waitingCalls: async (taskId) => (await run('reads', waitingCalls, [taskId])).map(toWaitingCall),
  };
}
