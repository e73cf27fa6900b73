import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { NamespaceSettings } from '@opspawn/sdk';
import { startServer } from '../../test/http.ts';
import { openOpspawn } from '../../test/opspawn.ts';
import { localPrincipal, type Principal } from '../auth/principal.ts';
import { defineFunction } from './definitions/definition.ts';
import type { Engine } from './engine-interface.ts';

const runAt = '2100-01-01T00:00:00.000Z';
const request = { name: 'noop', runAt };

async function openWith(t: TestContext, quotas: NamespaceSettings['quotas']): Promise<Engine> {
  const noop = defineFunction({ name: 'noop', run: () => 'done' });
  const { engine } = await openOpspawn(t, { functions: [noop] });
  await engine.setSettings(localPrincipal, { quotas });
  return engine;
}

const over = (quota: string) => (error: { code: string; details: { quota?: string } }) =>
  error.code === 'quota_exceeded' && error.details.quota === quota;

const pending = async (engine: Engine): Promise<number> =>
  (await engine.list(localPrincipal, { status: ['pending'], limit: 1000 })).items.length;

describe('quotas of a namespace', () => {
  it('are set by those who operate the deployment, and not by whom they bound', async (t) => {
    const engine = await openWith(t, {});
    const team: Principal = { namespace: 'team-a', name: 'ada' };
    await assert.rejects(engine.setSettings(team, {}), { code: 'permission_denied' });
    await assert.rejects(engine.setSettings(team, {}, 'team-b'), { code: 'permission_denied' });
    await assert.rejects(engine.settings(team, 'default'), { code: 'permission_denied' });
    await engine.setSettings(localPrincipal, { quotas: { pendingTasks: 1 } }, 'team-a');
    assert.deepEqual((await engine.settings(team)).quotas, { pendingTasks: 1 });
    assert.deepEqual((await engine.settings(localPrincipal)).quotas, {});
    await engine.submit(team, request);
    await assert.rejects(engine.submit(team, request), over('pendingTasks'));
    await engine.submit(localPrincipal, request);
  });

  it('are not lost when others change them at the same time: who read them before is told to read them again', async (t) => {
    const engine = await openWith(t, {});
    const { revision } = await engine.settings(localPrincipal);
    const weighed = await engine.setSettings(localPrincipal, { revision, weight: 2 });
    await assert.rejects(engine.setSettings(localPrincipal, { revision, weight: 3 }), {
      code: 'wrong_state',
    });
    assert.deepEqual(await engine.settings(localPrincipal), weighed);
    assert.equal(weighed.weight, 2);
    // As a client does whose answer was lost.
    assert.deepEqual(await engine.setSettings(localPrincipal, { revision, weight: 2 }), weighed);
    const next = await engine.setSettings(localPrincipal, { ...weighed, quotas: { pendingTasks: 1 } });
    assert.deepEqual([next.weight, next.quotas], [2, { pendingTasks: 1 }]);
    assert.notEqual(next.revision, weighed.revision);
  });

  it('pending tasks: many at once come to exactly as many as are allowed, and more when some are gone', async (t) => {
    const engine = await openWith(t, { pendingTasks: 20 });
    const submits = Array.from({ length: 60 }, () => engine.submit(localPrincipal, request));
    const results = await Promise.allSettled(submits);
    const refused = results.filter((result) => result.status === 'rejected');
    assert.equal(await pending(engine), 20);
    assert.equal(refused.length, 40);
    for (const { reason } of refused) assert.ok(over('pendingTasks')(reason));
    await assert.rejects(engine.submitMany(localPrincipal, [request, request]), over('pendingTasks'));
    const [task] = (await engine.list(localPrincipal, { limit: 1 })).items;
    await engine.pause(localPrincipal, task?.id ?? '');
    await engine.submit(localPrincipal, request);
    await assert.rejects(engine.submit(localPrincipal, request), over('pendingTasks'));
  });

  it('submissions a minute: a batch counts as many, and is refused as a whole', async (t) => {
    const engine = await openWith(t, { submissionsPerMinute: 5 });
    await engine.submitMany(localPrincipal, [request, request, request]);
    const refused = engine.submitMany(localPrincipal, [request, request, request]);
    await assert.rejects(refused, (error: { retryAfterMs: number; retryable: boolean }) => {
      assert.ok(error.retryable && error.retryAfterMs > 1_000 && error.retryAfterMs <= 60_000);
      return over('submissionsPerMinute')(error as never);
    });
    assert.equal(await pending(engine), 3);
    await engine.submitMany(localPrincipal, [request, request]);
    await assert.rejects(engine.submitMany(localPrincipal, Array(6).fill(request)), { retryable: false });
  });

  it('bytes of an input are those of its JSON in UTF-8', async (t) => {
    const engine = await openWith(t, { payloadBytes: 6 });
    await engine.submit(localPrincipal, { ...request, input: 'ää' });
    await assert.rejects(engine.submit(localPrincipal, { ...request, input: 'äää' }), over('payloadBytes'));
  });

  it('are those of one namespace, and go when they are taken away', async (t) => {
    const engine = await openWith(t, { pendingTasks: 0 });
    const other: Principal = { namespace: 'other', name: 'somebody' };
    assert.equal((await engine.settings(other)).quotas, undefined);
    await assert.rejects(engine.submit(localPrincipal, request), over('pendingTasks'));
    await engine.setSettings(localPrincipal, {});
    await engine.submit(localPrincipal, request);
  });

  it('over REST are 429, with Retry-After where time helps', async () => {
    await using server = await startServer();
    await server.client.settings.set({ quotas: { submissionsPerMinute: 1, payloadBytes: 100 } });
    const submit = (input: string) =>
      fetch(`${server.url}/v1/tasks`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'a', input, runAt }),
      });
    assert.equal((await submit('x')).status, 201);
    const tooMany = await submit('x');
    assert.equal(tooMany.status, 429);
    assert.match(tooMany.headers.get('retry-after') ?? '', /^\d+$/);
    const tooBig = await submit('x'.repeat(100));
    assert.deepEqual([tooBig.status, tooBig.headers.get('retry-after')], [429, null]);
    assert.equal(((await tooBig.json()) as { code: string }).code, 'quota_exceeded');
  });
});
