import {
  type SpendingColumns,
  type SpendingStore,
  spendingColumns,
  toSpendingSum,
} from '../../parts/spending.ts';
import { type Run, statement } from '../database/connections.ts';
import { toJsonText, toText } from '../database/text.ts';

const record = statement('record_spending', 'select record_spending($1::jsonb)');
const sums = statement<SpendingColumns>(
  'spending_list',
  `select ${spendingColumns} from spending where namespace = $1 and kind = $2 order by last_at desc, name limit $3`,
);
const one = statement<SpendingColumns>(
  'spending_sum',
  `select ${spendingColumns} from spending where namespace = $1 and kind = $2 and name = $3`,
);
const forget = statement<[boolean]>('forget_session', 'select forget_idle_session($1, $2)');

export function openSpending(run: Run): SpendingStore {
  return {
    async record(spending) {
      await run('writes', record, [toJsonText(spending)]);
    },
    list: async (namespace, kind, limit) =>
      (await run('reads', sums, [namespace, kind, limit])).map(toSpendingSum),
    sum: async (namespace, kind, name) =>
      (await run('reads', one, [namespace, kind, toText(name)])).map(toSpendingSum)[0],
    forgetSession: async (namespace, sessionId) =>
      (await run('writes', forget, [namespace, toText(sessionId)]))[0]?.[0] === true,
  };
}
