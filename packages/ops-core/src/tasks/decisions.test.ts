import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { add, askHuman, createSecurityManager, defineAgent, secretsFrom } from '@opspawn/agentkit';
import { callTool, scriptedModel } from '@opspawn/agentkit/testing';
import { openOpspawn, runTask, untilFinished, untilStatus } from '../../test/opspawn.ts';
import { localPrincipal } from '../auth/principal.ts';
import { defineWorkflow } from './definitions/definition.ts';

const secret = 'tok-1234567890';

describe('what a person says of a decision', () => {
  it('is kept nowhere with the secrets that are in it', async (t) => {
    const clerk = defineAgent({
      name: 'clerk',
      instructions: 'Ask.',
      model: scriptedModel({
        name: 'clerk',
        steps: [callTool('add', { a: 1, b: 1 }), callTool('ask', { question: 'What?' }), 'done'],
      }),
      tools: { add, ask: askHuman() },
    });
    const secrets = secretsFrom({ token: secret });
    const rules = [{ tool: 'add', decision: 'ask' as const }];
    const security = createSecurityManager({ secrets, rules });
    const posted: unknown[] = [];
    const { engine } = await openOpspawn(
      t,
      { agents: [clerk], secrets, security },
      {
        wrapStore: (store) =>
          new Proxy(store, {
            get: (target, key) => {
              const value = Reflect.get(target, key, target);
              if (key !== 'write') return typeof value === 'function' ? value.bind(target) : value;
              return (operation: { op: string }) => {
                if (operation.op === 'post') posted.push(operation);
                return target.write(operation as never);
              };
            },
          }),
      },
    );
    const { task } = await engine.submit(localPrincipal, { name: 'clerk', input: 'go' });
    const stepOf = async () => (await untilStatus(t, engine, task.id, 'waiting')).waits[0]?.step ?? '';
    const approval = await stepOf();
    const refusal = { approved: false, comment: `it is ${secret}` };
    await engine.decide(localPrincipal, task.id, approval, refusal);
    assert.doesNotMatch(JSON.stringify(posted), /tok-1234567890/, 'the inbox');
    await engine.decide(localPrincipal, task.id, approval, refusal);
    for (let question = approval; ; ) {
      question = await stepOf();
      if (question === approval) continue;
      await engine.decide(localPrincipal, task.id, question, { approved: true, answer: `${secret}!` });
      break;
    }
    const { entries } = await untilFinished(t, engine, task.id);
    const journal = JSON.stringify(entries);
    assert.match(journal, /Denied by local: it is \[redacted\]/);
    assert.match(journal, /\[redacted\]!/);
    assert.doesNotMatch(journal, /tok-1234567890/);
  });

  it('is said by somebody: a key without a name decides nothing', async (t) => {
    const clerk = defineAgent({
      name: 'clerk',
      instructions: 'Ask.',
      model: scriptedModel({ name: 'clerk', steps: [callTool('ask', { question: 'What?' }), 'done'] }),
      tools: { ask: askHuman() },
    });
    const { engine } = await openOpspawn(t, { agents: [clerk] });
    const { task } = await engine.submit(localPrincipal, { name: 'clerk', input: 'go' });
    const { waits } = await untilStatus(t, engine, task.id, 'waiting');
    const nobody = { ...localPrincipal, name: ' ' };
    await assert.rejects(engine.decide(nobody, task.id, waits[0]?.step ?? '', { approved: false }), {
      code: 'permission_denied',
    });
    await assert.rejects(engine.decideMcpTools(nobody, { server: 'x', status: 'approved' }), {
      code: 'permission_denied',
    });
  });
});

describe('a decision about a request that does not listen', () => {
  const approve = { approved: true };

  it('is told that it expired, and when', async (t) => {
    const run = defineWorkflow({
      name: 'ask',
      run: (ctx) => ctx.approval('pay', { timeoutMs: 1 }).catch(() => 'nobody came'),
    });
    const { engine } = await openOpspawn(t, { workflows: [run] });
    const { task, entries } = await runTask(t, engine, { name: 'ask' });
    assert.equal(task.output, 'nobody came');
    const opened = entries.find(({ type }) => type === 'wait.opened')?.data as { dueAt: number } | undefined;
    const expiredAt = new Date(opened?.dueAt ?? 0).toISOString();
    await assert.rejects(engine.decide(localPrincipal, task.id, 'approval:pay', approve), {
      code: 'wrong_state',
      message: `The request "approval:pay" of task ${task.id} expired at ${expiredAt}`,
      details: { taskId: task.id, step: 'approval:pay', expiredAt },
    });
  });

  it('is told that it was withdrawn', async (t) => {
    const run = defineWorkflow({
      name: 'ask',
      run: (ctx) => ctx.race([() => ctx.approval('pay', { timeoutMs: 60_000 }), () => ctx.sleep(1)]),
    });
    const { engine } = await openOpspawn(t, { workflows: [run] });
    const { task } = await runTask(t, engine, { name: 'ask' });
    const step = 'race1.0/approval:pay';
    const withdrawn = { code: 'wrong_state', details: { taskId: task.id, step } };
    await assert.rejects(engine.decide(localPrincipal, task.id, step, approve), withdrawn);
    await assert.rejects(engine.resolve(localPrincipal, task.id, step, { action: 'retry' }), {
      code: 'not_found',
    });
  });

  it('can be sent again when the task does something else, and counts once it waits', async (t) => {
    const working = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const run = defineWorkflow({
      name: 'ask',
      run: (ctx) =>
        ctx.all([
          () => ctx.approval('pay'),
          async () => {
            await ctx.signal('go');
            await ctx.step('work', () => {
              working.resolve();
              return released.promise;
            });
            return await ctx.signal('end');
          },
        ]),
    });
    const { engine } = await openOpspawn(t, { workflows: [run] });
    const { task } = await engine.submit(localPrincipal, { name: 'ask' });
    await untilStatus(t, engine, task.id, 'waiting');
    await engine.signal(localPrincipal, task.id, { name: 'go' });
    await working.promise;
    const step = 'all1.0/approval:pay';
    await assert.rejects(engine.decide(localPrincipal, task.id, step, approve), { code: 'unavailable' });
    released.resolve();
    await untilStatus(t, engine, task.id, 'waiting');
    await engine.decide(localPrincipal, task.id, step, approve);
    await engine.signal(localPrincipal, task.id, { name: 'end', data: 'ended' });
    const end = await untilFinished(t, engine, task.id);
    assert.deepEqual(end.task.output, [{ approved: true, by: 'local' }, 'ended']);
  });
});
