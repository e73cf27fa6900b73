import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { defineAgent, defineTool } from '@opspawn/agentkit';
import { callTool, scriptedModel } from '@opspawn/agentkit/testing';
import { z } from 'zod';
import { openOpspawn, runTask, typesOf, untilFinished, untilStatus } from '../../../test/opspawn.ts';
import { localPrincipal } from '../../auth/principal.ts';
import { defineFunction, defineWorkflow } from '../definitions/definition.ts';

const never = { retry: { maxAttempts: 5, initialDelayMs: 1 } };

/** Waits until it is aborted, and says by what. */
async function untilAborted(signal: AbortSignal, tell: (code: unknown) => void): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  tell((signal.reason as { code?: unknown }).code);
  throw signal.reason;
}

/** Long enough that a busy machine has begun the task by then. The tests wait for it side by side. */
const timeoutMs = 2_000;

describe('the deadline of a task', { concurrency: true }, () => {
  it('aborts what runs, and is not tried again', async (t) => {
    const told: unknown[] = [];
    const stuck = defineFunction({
      ...never,
      name: 'stuck',
      run: (ctx) => ctx.step('wait', ({ signal }) => untilAborted(signal, (code) => told.push(code))),
    });
    const { engine } = await openOpspawn(t, { functions: [stuck] });
    const { task, entries } = await runTask(t, engine, { name: 'stuck', timeoutMs });
    assert.deepEqual(
      [task.status, task.error?.code, task.attempt, typesOf(entries)],
      ['failed', 'deadline_exceeded', 1, ['task.failed']],
    );
    assert.deepEqual(told, ['deadline_exceeded']);
    assert.equal(task.error?.details?.deadlineAt, task.deadlineAt);
  });

  it('aborts an agent’s call of a tool', async (t) => {
    const told: unknown[] = [];
    const slow = defineTool({
      description: 'Takes its time',
      input: z.object({}),
      annotations: { readOnlyHint: true },
      execute: (_input, { signal }) => untilAborted(signal, (code) => told.push(code)),
    });
    const agent = defineAgent({
      name: 'patient',
      instructions: 'Wait.',
      model: scriptedModel({ name: 'slow', steps: [callTool('slow', {})] }),
      tools: { slow },
      timeoutMs,
    });
    const { engine } = await openOpspawn(t, { agents: [agent] });
    const { task } = await runTask(t, engine, { name: 'patient', input: 'Go' });
    assert.deepEqual(
      [task.status, task.error?.code, told],
      ['failed', 'deadline_exceeded', ['deadline_exceeded']],
    );
  });

  it('names an effect that was under way, and a retry puts it in doubt', async (t) => {
    let calls = 0;
    const charge = defineFunction({
      ...never,
      name: 'charge',
      run: (ctx) =>
        ctx.step(
          'charge the card',
          ({ signal }) => {
            calls += 1;
            return untilAborted(signal, () => {});
          },
          { effect: 'once' },
        ),
    });
    const { engine } = await openOpspawn(t, { functions: [charge] });
    const { task } = await runTask(t, engine, { name: 'charge', timeoutMs });
    assert.deepEqual(task.error?.details?.inDoubt, ['charge the card']);
    await engine.retry(localPrincipal, task.id);
    const waiting = await untilStatus(t, engine, task.id, 'waiting');
    assert.deepEqual([waiting.waits[0]?.kind, calls], ['doubt', 1]);
    assert.ok(Date.parse(waiting.deadlineAt ?? '') > Date.parse(task.deadlineAt ?? ''));
    const again = await untilFinished(t, engine, task.id);
    assert.deepEqual(again.task.error?.details?.inDoubt, ['charge the card']);
  });

  it('ends a task that waits, with its children, and is said by why', async (t) => {
    const wait = defineFunction({ name: 'wait', run: (ctx) => ctx.signal('go') });
    const parent = defineWorkflow({ name: 'parent', timeoutMs, run: (ctx) => ctx.task('wait', {}) });
    const { engine } = await openOpspawn(t, { functions: [wait], workflows: [parent] });
    const { task } = await engine.submit(localPrincipal, { name: 'parent' });
    assert.equal(Date.parse(task.deadlineAt ?? '') - Date.parse(task.createdAt), timeoutMs);
    await untilStatus(t, engine, task.id, 'waiting');
    const { reasons } = await engine.why(localPrincipal, task.id);
    assert.deepEqual(
      reasons.map(({ code, until }) => [code, until]),
      [
        ['child', undefined],
        ['deadline', task.deadlineAt],
      ],
    );
    const { items } = await engine.list(localPrincipal, { parentId: task.id, limit: 10 });
    const ended = await untilFinished(t, engine, task.id);
    assert.equal(ended.task.error?.code, 'deadline_exceeded');
    await untilStatus(t, engine, items[0]?.id ?? '', 'cancelled');
  });

  it('does not touch a task that ends in time, and of two deadlines the task’s counts', async (t) => {
    const quick = defineFunction({
      name: 'quick',
      timeoutMs: 1,
      run: (ctx) => ctx.step('work', () => 'done'),
    });
    const { engine } = await openOpspawn(t, { functions: [quick] });
    const deadlineAt = new Date(Date.now() + 600_000).toISOString();
    const { task } = await runTask(t, engine, { name: 'quick', deadlineAt });
    assert.deepEqual([task.status, task.deadlineAt], ['completed', deadlineAt]);
  });

  it('that no task could keep is refused', async (t) => {
    const quick = defineFunction({ name: 'quick', run: () => 1 });
    const { engine } = await openOpspawn(t, { functions: [quick] });
    const soon = new Date(Date.now() + 60_000).toISOString();
    for (const request of [
      { deadlineAt: new Date(Date.now() - 1).toISOString() },
      { deadlineAt: soon, timeoutMs: 1000 },
      { deadlineAt: soon, delayMs: 120_000 },
      { timeoutMs: 1000, delayMs: 1000 },
      { timeoutMs: 1000, runAt: soon },
    ])
      await assert.rejects(engine.submit(localPrincipal, { name: 'quick', ...request }), {
        code: 'invalid_argument',
      });
  });
});
