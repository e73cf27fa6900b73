import type { SessionRun } from '../parts/sessions.ts';

export type SessionRunRow = [runId: string, messages: string, compaction: string | null];

export function toSessionRun([runId, messages, compaction]: SessionRunRow): SessionRun {
  return { runId, messages, ...(compaction !== null && { compaction }) };
}
