import type { Rate, TaskLimit } from '../parts/flow-control.ts';

type Int = number | null;
export type LimitSettingRow = [maxRunning: Int, rateCount: Int, rateIntervalMs: Int];

/** Null where there is nothing to wait for. */
export const limitsText = (limits: readonly TaskLimit[] | undefined): string | null =>
  limits === undefined || limits.length === 0 ? null : JSON.stringify(limits);

export const parseLimits = (text: string | null): TaskLimit[] =>
  text === null ? [] : (JSON.parse(text) as TaskLimit[]);

/**
 * Unix ms, rounded up. The generic cell rate algorithm (ITU-T I.371): each start moves `fullAt` on by its share of the
 * interval, and may not move it further than one interval from now.
 */
export const nextStartAt = ({ count, intervalMs }: Rate, fullAt: number): number =>
  Math.ceil(fullAt - intervalMs + intervalMs / count);

export const settingFrom = ([maxRunning, count, intervalMs]: LimitSettingRow): Omit<TaskLimit, 'key'> => ({
  ...(maxRunning === null ? {} : { maxRunning }),
  ...(count === null || intervalMs === null ? {} : { rate: { count, intervalMs } }),
});
