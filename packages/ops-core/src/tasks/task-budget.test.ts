import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { defineAgent, defineTool, delegate, handoff } from '@opspawn/agentkit';
import { callTool, callTools, scriptedModel } from '@opspawn/agentkit/testing';
import { z } from 'zod';
import { startCountingVendor } from '../../test/agents/counting-vendor.ts';
import { openOpspawn, runTask, temporaryFolder, testSettings, untilFinished } from '../../test/opspawn.ts';
import { createTestDatabase, skipWithoutPostgres } from '../../test/postgres/test-database.ts';
import { localPrincipal } from '../auth/principal.ts';
import { readSettings } from '../config.ts';
import { startServer } from '../start/start.ts';
import { defineFunction } from './definitions/definition.ts';

const script = fileURLToPath(new URL('../../test/agents/family-worker.ts', import.meta.url));

async function startWorkerProcess(t: TestContext, folder: string, variables: Record<string, string>) {
  const child = spawn(process.execPath, [script, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, ...variables },
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

describe('the budget of a task and all below it', () => {
  it('is not passed by twelve children on three workers of which one is killed', {
    timeout: 300_000,
    skip: skipWithoutPostgres,
  }, async (t) => {
    await using database = await createTestDatabase();
    const folder = temporaryFolder(t);
    const vendor = await startCountingVendor(t, { delayMs: 400, answerTokens: 90 });
    const { database: setting } = readSettings({ OPSPAWN_DATABASE_URL: database.url });
    await using server = await startServer({ settings: testSettings(folder, { database: setting }) });
    const variables = { AGENTKIT_LLM_BASE_URL: vendor.url, OPSPAWN_DATABASE_URL: database.url };
    const start = () => startWorkerProcess(t, folder, variables);
    const workers = await Promise.all([start(), start(), start()]);
    const { task } = await server.engine.submit(localPrincipal, { name: 'team', budget: { tokens: 700 } });
    while (vendor.calls.length === 0) await sleep(20);
    workers[0]?.kill('SIGKILL');
    const { output } = (await untilFinished(t, server.engine, task.id)).task;
    const ends = (output as string[]).toSorted();
    const done = ends.filter((end) => end === 'ok').length;
    assert.deepEqual([...new Set(ends)], ['budget_exceeded', 'ok']);
    assert.ok(done >= 1, ends.join());
    assert.ok(vendor.tokens <= 700, `${vendor.tokens} tokens at the vendor`);
  });

  const helper = defineAgent({
    name: 'helper',
    instructions: 'Help.',
    model: scriptedModel({ name: 'helper', maxOutputTokens: 40, reply: 'word '.repeat(32) }),
  });

  it('is that of the first agent for all that it hands work to, and says how far it came', async (t) => {
    const chief = defineAgent({
      name: 'chief',
      instructions: 'Hand it on.',
      limits: { tokens: 1_200 },
      tools: { helper: delegate(helper) },
      model: scriptedModel({
        name: 'chief',
        maxOutputTokens: 300,
        reply: ({ messages }) =>
          messages.length > 2
            ? 'done'
            : callTools(...Array.from({ length: 16 }, () => ({ tool: 'helper', input: { prompt: 'go' } }))),
      }),
    });
    const { engine } = await openOpspawn(t, { agents: [chief] });
    const { task } = await runTask(t, engine, { name: 'chief', input: 'go' });
    const { items } = await engine.list(localPrincipal, { limit: 100 });
    const usages = await Promise.all(
      items.map(async ({ id }) => (await engine.get(localPrincipal, id)).usage),
    );
    const tokens = usages.reduce(
      (sum, usage) => sum + (usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0),
      0,
    );
    assert.ok(tokens <= 1_200, `${tokens} tokens`);
    assert.equal(task.error?.code, 'budget_exceeded');
    const { limit, allowed, used } = task.error?.details ?? {};
    assert.deepEqual([limit, allowed], ['tokens', 1_200]);
    assert.ok(Number(used) > 500, String(used));
    const refused = items.filter(({ error }) => error?.code === 'budget_exceeded');
    assert.ok(refused.length > 0 && refused.length < items.length);
  });

  const asks = (...prompts: string[]) =>
    callTools(...prompts.map((prompt) => ({ tool: 'helper', input: { prompt } })));

  it('holds for a child with a limit of its own too, within that of the first agent', async (t) => {
    const middle = defineAgent({
      name: 'middle',
      instructions: 'Hand it on.',
      limits: { tokens: 150 },
      tools: { helper: delegate(helper) },
      model: scriptedModel({
        name: 'middle',
        maxOutputTokens: 30,
        reply: ({ messages }) => (messages.length > 20 ? 'done' : asks('go')),
      }),
    });
    const chief = defineAgent({
      name: 'chief',
      instructions: 'Hand it on.',
      limits: { tokens: 100_000 },
      tools: { middle: delegate(middle) },
      model: scriptedModel({ name: 'chief', steps: [callTool('middle', { prompt: 'go' }), 'done'] }),
    });
    const { engine } = await openOpspawn(t, { agents: [chief] });
    const { task } = await runTask(t, engine, { name: 'chief', input: 'go' });
    assert.equal(task.output, 'done');
    const { items } = await engine.list(localPrincipal, { limit: 100 });
    const child = items.find(({ name }) => name === 'middle');
    const { limit, allowed, used } = child?.error?.details ?? {};
    assert.deepEqual([child?.error?.code, limit, allowed], ['budget_exceeded', 'tokens', 150]);
    const tokensOf = async (id: string): Promise<number> => {
      const { usage } = await engine.get(localPrincipal, id);
      return (usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0);
    };
    const spent = await Promise.all(
      items.filter(({ name }) => name !== 'chief').map(({ id }) => tokensOf(id)),
    );
    assert.equal(
      used,
      spent.reduce((sum, tokens) => sum + tokens, 0),
    );
    assert.ok(Number(used) <= 150 && Number(used) > 32, String(used));
  });

  it('ends a child at the wall time of the agent that waits for it, and that agent with it', async (t) => {
    const idle = defineFunction({ name: 'idle', run: (ctx) => ctx.signal('never') });
    const waiter = defineAgent({
      name: 'waiter',
      instructions: 'Wait.',
      limits: { wallTimeMs: 300 },
      tools: {
        idle: defineTool({
          description: 'Waits.',
          input: z.object({}),
          ask: () => ({ kind: 'function' as const, name: 'idle' }),
        }),
      },
      model: scriptedModel({ name: 'waiter', steps: [callTool('idle', {}), 'done'] }),
    });
    const { engine } = await openOpspawn(t, { agents: [waiter], functions: [idle] });
    const { task } = await runTask(t, engine, { name: 'waiter', input: 'go' });
    assert.deepEqual([task.error?.code, task.error?.details?.limit], ['budget_exceeded', 'wallTimeMs']);
    const { items } = await engine.list(localPrincipal, { limit: 10 });
    assert.equal(items.find(({ name }) => name === 'idle')?.error?.code, 'deadline_exceeded');
  });

  it('knows the agents that are handed work by whoever the conversation was handed to', async (t) => {
    const second = defineAgent({
      name: 'second',
      instructions: 'Hand it on.',
      tools: { helper: delegate(helper) },
      model: scriptedModel({ name: 'second', steps: ['skipped', asks('go'), 'from the second'] }),
    });
    const first = defineAgent({
      name: 'first',
      instructions: 'Hand over.',
      tools: { second: handoff(second) },
      model: scriptedModel({ name: 'first', steps: [callTool('second', { reason: 'x' })] }),
    });
    const { engine } = await openOpspawn(t, { agents: [first] });
    const { task } = await runTask(t, engine, { name: 'first', input: 'go' });
    assert.equal(task.output, 'from the second');
    const { items } = await engine.list(localPrincipal, { limit: 10 });
    assert.equal(items.find(({ name }) => name === 'helper')?.status, 'completed');
  });

  it('survives a restart: what was used before it counts', async (t) => {
    const folder = temporaryFolder(t);
    const twice = defineFunction({
      name: 'twice',
      run: async (ctx) => {
        const first = await ctx.agent('helper', { prompt: 'go' });
        await ctx.signal('go on');
        const second = await ctx.agent('helper', { prompt: 'go' }).catch((thrown) => thrown.code);
        return [first, second].map(String);
      },
    });
    const config = { agents: [helper], functions: [twice] };
    const before = await openOpspawn(t, config, { folder });
    const request = { name: 'twice', budget: { tokens: 45 } };
    const { task } = await before.engine.submit(localPrincipal, request);
    for (;;) {
      const { status, waits } = await before.engine.get(localPrincipal, task.id);
      if (status === 'waiting' && waits[0]?.kind === 'signal') break;
      await sleep(20);
    }
    await before[Symbol.asyncDispose]();
    const { engine } = await openOpspawn(t, config, { folder });
    await engine.signal(localPrincipal, task.id, { name: 'go on' });
    const { output } = (await untilFinished(t, engine, task.id)).task;
    assert.match(String((output as string[])[0]), /^word/);
    assert.equal((output as string[])[1], 'budget_exceeded');
  });
});
