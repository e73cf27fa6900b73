import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defineAgent } from '@opspawn/agentkit';
import { scriptedModel } from '@opspawn/agentkit/testing';
import { openOpspawn, runTask, temporaryFolder, untilStatus } from '../../test/opspawn.ts';
import { localPrincipal } from '../auth/principal.ts';
import { defineFunction } from './definitions/definition.ts';

const model = scriptedModel({ name: 'clerk', reply: 'four words are said' });
const price = { inputMicroUsd: 1_000_000, outputMicroUsd: 2_000_000 };
const paid = {
  ...model,
  price,
  async call(request: Parameters<typeof model.call>[0]) {
    const reply = await model.call(request);
    const { inputTokens, outputTokens } = reply.usage;
    return { ...reply, usage: { ...reply.usage, costMicroUsd: inputTokens + 2 * outputTokens } };
  },
};
const clerk = defineAgent({ name: 'clerk', instructions: 'Talk.', model: paid });
const unpriced = defineAgent({
  name: 'unpriced',
  instructions: 'Talk.',
  model: {
    ...model,
    async call(request) {
      const reply = await model.call(request);
      const { costMicroUsd: _, ...usage } = reply.usage;
      return { ...reply, usage };
    },
  },
});
const ask = defineFunction({ name: 'ask', run: (ctx) => ctx.signal('go') });
const config = { agents: [clerk, unpriced], functions: [ask] };

describe('what a session has cost', () => {
  it('is the sum over its tasks, and the same after a restart', async (t) => {
    const folder = temporaryFolder(t);
    const before = await openOpspawn(t, config, { folder });
    const used = { inputTokens: 0, outputTokens: 0, costMicroUsd: 0 };
    for (const prompt of ['one', 'two']) {
      const { task } = await runTask(t, before.engine, { name: 'clerk', input: prompt, sessionId: 's' });
      for (const what of ['inputTokens', 'outputTokens', 'costMicroUsd'] as const)
        used[what] += task.usage?.[what] ?? 0;
    }
    assert.ok(used.costMicroUsd > 0);
    await before[Symbol.asyncDispose]();
    const { engine } = await openOpspawn(t, config, { folder });
    const { lastAt, ...session } = await engine.sessions.get(localPrincipal, 's');
    assert.deepEqual(session, { id: 's', runs: 2, ...used, unpricedTokens: 0 });
    const [day] = await engine.sessions.spending(localPrincipal, { by: 'day', limit: 1 });
    assert.deepEqual([day?.name, day?.costMicroUsd], [lastAt?.slice(0, 10), used.costMicroUsd]);
  });

  it('has all of a run that nobody watches', async (t) => {
    const { engine } = await openOpspawn(t, config);
    const { task } = await engine.submit(localPrincipal, { name: 'clerk', input: 'one', sessionId: 's' });
    await untilStatus(t, engine, task.id, 'completed');
    const { usage } = await engine.get(localPrincipal, task.id);
    const { costMicroUsd } = await engine.sessions.get(localPrincipal, 's');
    assert.ok(costMicroUsd > 0 && costMicroUsd === usage?.costMicroUsd, `${costMicroUsd}`);
  });

  it('says how much of it has no price', async (t) => {
    const { engine } = await openOpspawn(t, config);
    const { task } = await runTask(t, engine, { name: 'unpriced', input: 'go' });
    const [agent] = await engine.sessions.spending(localPrincipal, { by: 'agent', limit: 10 });
    const tokens = (task.usage?.inputTokens ?? 0) + (task.usage?.outputTokens ?? 0);
    assert.deepEqual([agent?.name, agent?.costMicroUsd, agent?.unpricedTokens], ['unpriced', 0, tokens]);
  });

  it('goes with the session, which cannot be deleted while something of it runs', async (t) => {
    const { engine } = await openOpspawn(t, config);
    await runTask(t, engine, { name: 'clerk', input: 'go', sessionId: 's' });
    const { task } = await engine.submit(localPrincipal, { name: 'ask', sessionId: 's' });
    await untilStatus(t, engine, task.id, 'waiting');
    await assert.rejects(engine.sessions.remove(localPrincipal, 's'), { code: 'wrong_state' });
    await engine.cancel(localPrincipal, task.id, {});
    for await (const _ of engine.follow(localPrincipal, task.id, { after: 0, signal: t.signal }));
    await engine.sessions.remove(localPrincipal, 's');
    const { runs, costMicroUsd } = await engine.sessions.get(localPrincipal, 's');
    assert.deepEqual([runs, costMicroUsd], [0, 0]);
  });
});
