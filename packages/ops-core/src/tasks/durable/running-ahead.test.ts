import assert from 'node:assert/strict';
import { after, before, describe, it, mock } from 'node:test';
import { OpspawnError, type Steps } from '@opspawn/agentkit';
import { attempt, type Body, entriesOf, quietTask, resultOf } from './simulation/attempt.ts';
import { turns } from './simulation/random.ts';

describe('a function that folds its history', () => {
  before(() => mock.timers.enable({ apis: ['setTimeout'] }));
  after(() => mock.timers.reset());

  const history = { mode: 'history' } as const;
  const read = (steps: Steps, name: string, fn: () => unknown = () => name) =>
    steps.run(name, fn, { effect: 'read' });

  it('gets what steps have read before it is committed, and that is committed with its end', async () => {
    const task = quietTask();
    const seen: number[] = [];
    const commits: number[] = [];
    const { append } = task;
    task.append = async (...args) => {
      commits.push(args[1].length);
      return await append.apply(task, args);
    };
    const body: Body = async (_, steps) => {
      for (const name of ['a', 'b', 'c']) await read(steps, name, () => seen.push(task.journal.length));
      return 'done';
    };
    assert.equal(await resultOf(attempt(task, body, history)), 'done');
    assert.deepEqual([seen, commits], [[0, 0, 0], []]);
    assert.deepEqual(entriesOf(task), ['step.completed a', 'step.completed b', 'step.completed c']);
  });

  for (const effect of ['idempotent', 'once'] as const) {
    it(`changes nothing outside by a step that is ${effect} before all that it was handed is committed`, async () => {
      const task = quietTask();
      let before: string[] = [];
      const body: Body = async (_, steps) => {
        await read(steps, 'answer');
        await steps.run('act', () => (before = entriesOf(task)), { effect });
      };
      await resultOf(attempt(task, body, history));
      assert.deepEqual(before.slice(0, 1), ['step.completed answer']);
    });
  }

  it('reads before its claim is on the disk, and changes nothing outside', async () => {
    for (const failure of [undefined, new OpspawnError('unavailable', 'EIO')]) {
      const task = quietTask();
      const onDisk = Promise.withResolvers<OpspawnError | undefined>();
      const done: string[] = [];
      const body: Body = async (_, steps) => {
        await read(steps, 'ask', () => done.push('ask'));
        await steps.run('act', () => done.push('act'), { effect: 'idempotent' });
      };
      const port = task.claim();
      port.claimOnDisk = onDisk.promise;
      const running = attempt(task, body, history, port);
      await turns(100);
      assert.deepEqual(done, ['ask']);
      onDisk.resolve(failure);
      assert.equal((await running).kind, failure === undefined ? 'completed' : 'failed');
      assert.deepEqual(done, failure === undefined ? ['ask', 'act'] : ['ask']);
    }
  });

  it('is at most 64 results ahead', async () => {
    const task = quietTask();
    let ran = 0;
    task.append = () => new Promise(() => {});
    const body: Body = async (_, steps) => {
      for (;;) await read(steps, 'a', () => ++ran);
    };
    const port = task.claim();
    void attempt(task, body, history, port);
    await turns(800);
    assert.equal(ran, 65);
    port.stop();
  });

  it('has what it came to know committed within milliseconds, and when it is stopped', async () => {
    const task = quietTask();
    const hang = () => new Promise<never>(() => {});
    const body: Body = async (_, steps) => {
      await read(steps, 'a');
      await read(steps, 'b', hang);
    };
    const port = task.claim();
    const running = attempt(task, body, history, port);
    await turns(20);
    assert.deepEqual(entriesOf(task), []);
    mock.timers.tick(25);
    await turns(20);
    assert.deepEqual(entriesOf(task), ['step.completed a']);
    port.stop();
    assert.equal((await running).kind, 'stopped');
  });

  it('gets results of effects at once too, and their commit waits for nothing', async () => {
    const task = quietTask();
    let atNextStep: string[] = [];
    const body: Body = async (_, steps) => {
      await steps.run('pay', () => 1, { effect: 'once' });
      await read(steps, 'answer', async () => {
        await turns(10);
        atNextStep = entriesOf(task);
      });
    };
    await resultOf(attempt(task, body, history));
    assert.deepEqual(atNextStep, ['step.intended pay', 'step.completed pay']);
  });
});
