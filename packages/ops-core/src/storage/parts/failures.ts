import type { TaskKind } from '@opspawn/sdk';

/** Failed tasks of one definition that ended with the same code. */
export interface FailureGroup {
  errorCode: string;
  kind: TaskKind;
  name: string;
  count: number;
  /** Unix ms. */
  firstAt: number;
  lastAt: number;
  /** The newest of them, and its terminal entry's data. */
  taskId: string;
  outcome?: string;
}

export interface FailureFilter {
  namespace: string;
  kind?: TaskKind;
  name?: string;
  errorCode?: string;
}

export interface FailureStore {
  /** Failed tasks by code, kind and name: the largest groups first, at most `limit`. */
  failures(filter: FailureFilter, limit: number): Promise<readonly FailureGroup[]>;
}
