import type { TaskKind } from '@opspawn/sdk';
import type { FailureGroup } from '../parts/failures.ts';

export type FailureGroupRow = [
  errorCode: string | null,
  kind: TaskKind,
  name: string,
  count: number,
  firstAt: number,
  lastAt: number,
  taskId: string,
  outcome: string | null,
];

export function toFailureGroup([
  errorCode,
  kind,
  name,
  count,
  firstAt,
  lastAt,
  taskId,
  outcome,
]: FailureGroupRow): FailureGroup {
  return {
    errorCode: errorCode ?? 'internal',
    kind,
    name,
    count,
    firstAt,
    lastAt,
    taskId,
    ...(outcome === null ? {} : { outcome }),
  };
}
