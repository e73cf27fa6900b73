import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineAgent, OpspawnError } from '@opspawn/agentkit';
import { say, scriptedModel } from '@opspawn/agentkit/testing';
import {
  openOpspawn,
  runTask,
  temporaryFolder,
  typesOf,
  untilFinished,
  untilStatus,
} from '../../../test/opspawn.ts';
import { localPrincipal } from '../../auth/principal.ts';
import { createLog } from '../../observe/log.ts';
import { interceptStore } from '../../storage/faults/intercept.ts';
import { openSqliteStore } from '../../storage/sqlite/database/open-store.ts';
import type { ClaimedTask, Store, Write } from '../../storage/store.ts';
import { defineFunction } from '../definitions/definition.ts';

const steps = defineFunction({
  name: 'steps',
  async run(ctx) {
    await ctx.step('a', () => 1);
    return await ctx.step('b', () => 2);
  },
});

/** The store, of which every write of a kind fails so often, before or after it was done. */
const failing =
  (op: Write['op'], times: number, moment: 'before' | 'after') =>
  (store: Store): Store => {
    let left = times;
    return interceptStore(store, async (method, args, call) => {
      const isMeant = method === 'write' && (args[0] as Write).op === op && left > 0;
      if (!isMeant) return call();
      left -= 1;
      if (moment === 'after') await call();
      throw new OpspawnError('unavailable', 'gone for a moment');
    });
  };

const isOwned = ({ op }: Write): boolean => op === 'append' || op === 'finish' || op === 'release';

describe('a store that is out of reach for a moment', () => {
  for (const op of ['append', 'finish'] as const) {
    for (const moment of ['before', 'after'] as const) {
      it(`costs nothing: results are held back (${op}, ${moment} it was done)`, async (t) => {
        const { engine } = await openOpspawn(
          t,
          { functions: [steps] },
          { wrapStore: failing(op, 2, moment) },
        );
        const { task, entries } = await runTask(t, engine, { name: 'steps' });
        assert.deepEqual([task.output, task.attempt, task.failures], [2, 1, 0]);
        assert.deepEqual(typesOf(entries), ['step.completed', 'step.completed', 'task.completed']);
      });
    }
  }
});

describe('a lease that seems lost for a moment', () => {
  it('leaves no task behind whose end could not be written meanwhile', async (t) => {
    const dropped = Promise.withResolvers<void>();
    const log = createLog({ level: 'silent' });
    t.mock.method(log, 'error', (_fields: unknown, text: string) => {
      if (text === 'the outcome of an attempt could not be written') dropped.resolve();
    });
    const leaseTtlMs = 700;
    const openedAt = performance.now();
    let isAway = true;
    const gone = new OpspawnError('unavailable', 'gone for a moment');
    const { engine } = await openOpspawn(
      t,
      { functions: [steps] },
      {
        log,
        settings: { leaseTtlMs },
        wrapStore: (store) =>
          interceptStore(store, async (method, args, call) => {
            if (method === 'write' && isOwned(args[0] as Write) && isAway) throw gone;
            if (method !== 'renewLease' || !isAway) return call();
            if (performance.now() - openedAt < 0.85 * leaseTtlMs) throw gone;
            // Renewed in time, which the worker learns after it was sure of its lease no more and tried to write, at 0.75 s.
            const result = await call();
            await Promise.race([dropped.promise, sleep(500)]);
            isAway = false;
            return result;
          }),
      },
    );
    const { task } = await runTask(t, engine, { name: 'steps' });
    assert.deepEqual([task.output, task.failures], [2, 0]);
  });
});

describe('a claim that is answered before the disk has it', () => {
  /** The store, whose claims are safe when `onDisk` says so. */
  const claiming =
    (onDisk: Promise<OpspawnError | undefined>) =>
    (store: Store): Store =>
      interceptStore(store, async (method, _, call) => {
        const result = await call();
        if (method === 'claim') for (const task of result as ClaimedTask[]) task.onDisk = onDisk;
        return result;
      });

  it('lets an agent ask its model, and a function not begin', async (t) => {
    const onDisk = Promise.withResolvers<OpspawnError | undefined>();
    const asked = Promise.withResolvers<void>();
    const begun: string[] = [];
    const model = scriptedModel({
      name: 'quick',
      steps: [
        () => {
          asked.resolve();
          return say('done');
        },
      ],
    });
    const { engine } = await openOpspawn(
      t,
      {
        functions: [defineFunction({ name: 'act', run: () => void begun.push('act') })],
        agents: [defineAgent({ name: 'ask', instructions: 'Answer', model })],
      },
      { wrapStore: claiming(onDisk.promise) },
    );
    const { task } = await engine.submit(localPrincipal, { name: 'act' });
    await engine.submit(localPrincipal, { kind: 'agent', name: 'ask', input: 'Go' });
    await asked.promise;
    assert.deepEqual(begun, []);
    onDisk.resolve(undefined);
    await untilFinished(t, engine, task.id);
    assert.deepEqual(begun, ['act']);
  });
});

describe('a store that cannot be read for a moment', () => {
  it('costs no retry: what an attempt begins with is read again', async (t) => {
    const left = { journal: 2, inbox: 2 };
    const waits = defineFunction({
      name: 'waits',
      async run(ctx) {
        await ctx.step('a', () => 1);
        return await ctx.signal('go');
      },
    });
    const folder = temporaryFolder(t);
    await openOpspawn(
      t,
      { functions: [waits] },
      {
        folder,
        durable: { lingerMs: 0 },
        wrapStore: (store) =>
          interceptStore(store, async (method, _args, call) => {
            const isMeant = (method === 'journal' || method === 'inbox') && left[method]-- > 0;
            if (isMeant) throw new OpspawnError('unavailable', 'gone for a moment');
            return await call();
          }),
      },
    );
    const { engine } = await openOpspawn(t, {}, { folder, settings: { queues: ['none'] } });
    const { task } = await engine.submit(localPrincipal, { name: 'waits', retry: { maxAttempts: 1 } });
    await untilStatus(t, engine, task.id, 'waiting');
    await engine.signal(localPrincipal, task.id, { name: 'go', data: 'gone' });
    const end = await untilFinished(t, engine, task.id);
    assert.deepEqual([end.task.status, end.task.output, end.task.failures], ['completed', 'gone', 0]);
    assert.ok(left.journal < 0 && left.inbox < 0);
  });
});

describe('a worker whose lease was taken away', () => {
  it('stops what it runs and goes on under another identity', async (t) => {
    const folder = temporaryFolder(t);
    const reasons: string[] = [];
    const begun = Promise.withResolvers<void>();
    const stuck = defineFunction({
      name: 'stuck',
      run: (ctx) =>
        ctx.step('wait', async ({ signal }) => {
          if (reasons.length > 0) return 'done';
          begun.resolve();
          await once(signal, 'abort');
          reasons.push((signal.reason as OpspawnError).code);
          throw signal.reason;
        }),
    });
    const running = await openOpspawn(t, { functions: [stuck] }, { folder, settings: { leaseTtlMs: 2_000 } });
    const { task } = await running.engine.submit(localPrincipal, { name: 'stuck' });
    await begun.promise;
    const before = running.workerId;
    await using other = await openSqliteStore({ path: join(folder, 'opspawn.db') });
    await other.removeWorker(before);
    const end = await untilFinished(t, running.engine, task.id);
    assert.deepEqual(
      [end.task.output, end.task.attempt, end.task.failures, reasons],
      ['done', 2, 0, ['lease_lost']],
    );
    assert.notEqual(running.workerId, before);
  });
});

describe('two processes on one data folder', () => {
  it('one sees live what the other runs, and its signals reach it', async (t) => {
    const folder = temporaryFolder(t);
    const noisy = defineFunction({
      name: 'noisy',
      async run(ctx) {
        // A step that ends with the signal keeps the attempt in memory, so that the signal has to reach it there.
        const heard = Promise.withResolvers<void>();
        const hear = async () => {
          const name = await ctx.signal('name');
          heard.resolve();
          return name;
        };
        const [name] = await Promise.all([hear(), ctx.step('stay', () => heard.promise)]);
        return `hello ${String(name)}`;
      },
    });
    const worker = await openOpspawn(
      t,
      { functions: [noisy] },
      {
        folder,
        wrapSteps: (steps) => {
          const beat = setInterval(() => steps.emit({ type: 'text.delta', turn: 1, text: 'beat' }), 5);
          steps.signal.addEventListener('abort', () => clearInterval(beat));
          t.after(() => clearInterval(beat));
          return steps;
        },
      },
    );
    const server = await openOpspawn(t, {}, { folder, settings: { queues: ['none'] } });
    const { task } = await server.engine.submit(localPrincipal, { name: 'noisy' });
    let isSignalled = false;
    for await (const one of server.engine.follow(localPrincipal, task.id, { after: 0, signal: t.signal })) {
      if (one.type !== 'live' || isSignalled) continue;
      isSignalled = true;
      await server.engine.signal(localPrincipal, task.id, { name: 'name', data: 'there' });
    }
    assert.equal((await server.engine.get(localPrincipal, task.id)).output, 'hello there');
    assert.equal((await worker.engine.get(localPrincipal, task.id)).attempt, 1);
  });
});
