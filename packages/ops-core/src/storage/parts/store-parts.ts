import type { ApiKeyStore } from './api-keys.ts';
import type { DecisionStore } from './decisions.ts';
import type { DefinitionStore } from './definitions.ts';
import type { FailureStore } from './failures.ts';
import type { FlowControl } from './flow-control.ts';
import type { Housekeeping } from './housekeeping.ts';
import type { ProviderBudgetStore } from './provider-budgets.ts';
import type { QueueStore } from './queues.ts';
import type { SessionStore } from './sessions.ts';
import type { SpendingStore } from './spending.ts';
import type { TaskBudgetStore } from './task-budgets.ts';
import type { ToolPinStore } from './tool-pins.ts';

/** What a store does beside running tasks, each part in a file of its own. */
export interface StoreParts
  extends ApiKeyStore,
    DecisionStore,
    DefinitionStore,
    FailureStore,
    FlowControl,
    Housekeeping,
    QueueStore,
    SessionStore,
    ToolPinStore {
  readonly providers: ProviderBudgetStore;
  readonly budgets: TaskBudgetStore;
  readonly spending: SpendingStore;
}
