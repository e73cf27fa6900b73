import type { StepRecord } from '@opspawn/agentkit';
import { toRecordedError } from './entry-data.ts';
import { askedName } from './identity.ts';
import { type Handout, resultOf } from './recording.ts';

/** A recorded result as a reader of `history()` gets it. */
export function stepRecord(handout: Handout): StepRecord {
  const { entry, at } = handout;
  const result = resultOf(handout);
  const { kind, startedAt } = result;
  return {
    seq: entry.seq,
    branch: entry.branch ?? '',
    name: askedName(kind, entry.name ?? ''),
    count: entry.count ?? 1,
    kind,
    outcome: result.ok
      ? { ok: true, value: result.value }
      : { ok: false, error: toRecordedError(result.error) },
    startedAt,
    finishedAt: at,
  };
}
