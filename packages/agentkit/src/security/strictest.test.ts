import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSecurityManager, type SecurityManagerOptions } from './security-rules.ts';
import { strictest } from './strictest.ts';

const request = {
  ...{ namespace: 'default', agent: 'a', taskId: 'task', tool: 'pay', input: {}, annotations: {} },
  ...{ tainted: false, taintedBy: [] },
};

/** How long a person may take where both ask. */
async function patienceOf(...options: [SecurityManagerOptions, SecurityManagerOptions]) {
  const [first, second] = options.map((each) => createSecurityManager({ otherwise: 'ask', ...each }));
  const verdict = await strictest(first!, second).decide(request);
  assert.equal(verdict.decision, 'ask');
  return verdict.timeoutMs;
}

describe('two managers that both ask', () => {
  it('give a person the shorter time of both, whichever it comes from', async () => {
    const asks = (timeoutMs: number) => ({ rules: [{ decision: 'ask' as const, timeoutMs }] });
    assert.equal(await patienceOf(asks(5), asks(9)), 5);
    assert.equal(await patienceOf(asks(9), asks(5)), 5);
    assert.equal(await patienceOf({}, asks(5)), 5);
    assert.equal(await patienceOf({ approvalTimeoutMs: 3 }, asks(5)), 3);
    assert.equal(await patienceOf({}, {}), undefined);
  });
});
