import type { PurgeRequest, PurgeResult } from '../../parts/housekeeping.ts';
import { clockSlackMs } from '../../rows/id-time.ts';
import { statement } from '../database/connections.ts';
import { nilUuid, uuidAt } from '../database/text.ts';

type Row = [{ readonly deleted: number; readonly behind: string | null }];

export const purge = statement<Row>('purge', 'select purge($1, $2, $3, $4, $5, $6, $7::jsonb)');

export const encodePurge = (request: PurgeRequest): unknown[] => {
  const { namespace, ended, endedBefore, behind = nilUuid, rows, entries } = request;
  const latest = Math.max(...Object.values(endedBefore), 0);
  const upTo = uuidAt(latest + clockSlackMs);
  return [namespace, ended, behind, upTo, rows, entries, JSON.stringify(endedBefore)];
};

export function toPurgeResult(row: Row | undefined): PurgeResult {
  const { deleted = 0, behind = null } = row?.[0] ?? {};
  return { deleted, ...(behind === null ? {} : { behind }) };
}
