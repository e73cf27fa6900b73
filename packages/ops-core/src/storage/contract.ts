import { apiKeyCases } from './contract/api-keys.ts';
import { claimCases } from './contract/claim.ts';
import { controlCases } from './contract/control.ts';
import { deadlineCases } from './contract/deadline.ts';
import { failureCases } from './contract/failures.ts';
import { fairnessCases } from './contract/fairness.ts';
import { familyCases } from './contract/family.ts';
import { inboxCases } from './contract/inbox.ts';
import { journalCases } from './contract/journal.ts';
import { limitCases } from './contract/limits.ts';
import { listCases } from './contract/list.ts';
import { offerCases } from './contract/offers.ts';
import { providerBudgetCases } from './contract/provider-budgets.ts';
import { purgeCases } from './contract/purge.ts';
import { queueCases } from './contract/queues.ts';
import type { StoreCase } from './contract/scenario.ts';
import { sessionCases } from './contract/session.ts';
import { spendingCases } from './contract/spending.ts';
import { standingCases } from './contract/standing.ts';
import { submitCases } from './contract/submit.ts';
import { taskBudgetCases } from './contract/task-budgets.ts';
import { toolPinCases } from './contract/tool-pins.ts';
import { valueCases } from './contract/value.ts';
import { workerCases } from './contract/worker.ts';

/** Every backend keeps these promises. Each case gets an empty store. */
export const storeCases: readonly StoreCase[] = [
  ...submitCases,
  ...offerCases,
  ...claimCases,
  ...journalCases,
  ...inboxCases,
  ...controlCases,
  ...familyCases,
  ...sessionCases,
  ...workerCases,
  ...limitCases,
  ...queueCases,
  ...deadlineCases,
  ...fairnessCases,
  ...standingCases,
  ...listCases,
  ...toolPinCases,
  ...valueCases,
  ...failureCases,
  ...purgeCases,
  ...apiKeyCases,
  ...providerBudgetCases,
  ...taskBudgetCases,
  ...spendingCases,
];
