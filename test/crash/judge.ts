/** Compares what the journal says with what the ledger saw. */
import assert from 'node:assert/strict';
import type { Entry } from '@opspawn/sdk';
import { identityHash } from '../../packages/ops-core/src/tasks/durable/identity.ts';
import type { LedgerLine } from './ledger.ts';

type Begun = Extract<LedgerLine, { said: 'begun' }>;

/** Throws when a step was recorded twice, ran again after it was recorded, or was silently done twice. */
export function judgeTask(taskId: string, entries: readonly Entry[], ledger: readonly LedgerLine[]): void {
  assert.deepEqual(
    entries.map(({ seq }) => seq),
    entries.map((_, index) => index + 1),
    `the journal of ${taskId} has gaps`,
  );
  const recordedBy = recordedAttempts(taskId, entries);
  const begun = ledger.filter((line): line is Begun => line.said === 'begun' && line.taskId === taskId);
  for (const { key, name, attempt } of begun) {
    const recorded = recordedBy.get(key) ?? Number.POSITIVE_INFINITY;
    assert.ok(
      attempt <= recorded,
      `${name} of ${taskId} was recorded by ${recorded} and ran again in ${attempt}`,
    );
  }
  const onceKeys = new Set(begun.filter(({ effect }) => effect === 'once').map(({ key }) => key));
  for (const key of onceKeys) {
    const count = (said: string) =>
      ledger.filter((line) => 'key' in line && line.key === key && line.said === said).length;
    assert.ok(
      count('begun') <= 1 + count('allowed'),
      `the effect ${key} was begun again and nobody had allowed it`,
    );
    assert.ok(count('done') <= 1, `the effect ${key} was done twice`);
  }
}

/** Which attempt recorded the result of each step, by idempotency key. */
function recordedAttempts(taskId: string, entries: readonly Entry[]): Map<string, number> {
  const attempts = new Map<string, number>();
  for (const { type, branch = '', name, count = 1, attempt } of entries) {
    if ((type !== 'step.completed' && type !== 'step.failed') || name === undefined) continue;
    const key = `${taskId}:${identityHash({ branch, name, count })}`;
    assert.ok(!attempts.has(key), `${name} of ${taskId} was recorded twice`);
    attempts.set(key, attempt);
  }
  return attempts;
}
