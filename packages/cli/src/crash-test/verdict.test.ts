import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import type { Entry, EntryType, Task } from '@opspawn/sdk';
import type { LedgerLine } from './ledger.ts';
import { type CrashEvidence, judge } from './verdict.ts';

const taskId = '01a1fd9e-4eb6-73dd-be4e-784a1d8f0157';
const keyOf = (name: string): string =>
  `${taskId}:${createHash('sha256')
    .update(JSON.stringify(['', name, 1]))
    .digest('hex')
    .slice(0, 32)}`;

const entry = (seq: number, type: EntryType, name?: string, data?: Entry['data']): Entry => ({
  seq,
  type,
  attempt: 1,
  at: 1_795_251_600_000,
  ...(name === undefined ? {} : { branch: '', name, count: 1 }),
  ...(data === undefined ? {} : { data }),
});
const begun = (name: string, effect: 'idempotent' | 'once' = 'idempotent', tryNumber = 1): LedgerLine => ({
  said: 'begun',
  key: keyOf(name),
  name,
  kind: 'step',
  effect,
  tryNumber,
});

const task = { id: taskId, status: 'completed' } as Task;
const loaded = entry(1, 'step.completed', 'load');
const ended = entry(2, 'task.completed');

/** A crash after `load` was recorded, that came to a good end. */
const good: CrashEvidence = {
  acceptedTaskId: taskId,
  before: [loaded],
  after: [loaded, ended],
  task,
  killedLedger: [begun('load')],
  resumedLedger: [],
};
const judged = (changed: Partial<CrashEvidence>) => judge({ ...good, ...changed });

describe('a crash test', () => {
  it('finds nothing in a run that holds', () => {
    assert.deepEqual(judge(good), { repeated: [], silent: [], inDoubt: [], outOfTurn: false });
  });

  it('calls a task lost that is another one, stays running, ends twice or has a hole in its journal', () => {
    assert.match(judged({ acceptedTaskId: 'another' }).lost ?? '', /not found again/);
    assert.match(judged({ task: { ...task, status: 'running' } }).lost ?? '', /stayed running/);
    assert.match(judged({ after: [loaded, ended, entry(3, 'task.failed')] }).lost ?? '', /ended 2 times/);
    assert.match(judged({ after: [ended] }).lost ?? '', /entry 1 \(step\.completed\) is gone or changed/);
  });

  it('does not take a step of a child for that of its parent which has the same name', () => {
    const ofChild = {
      ...begun('load'),
      key: keyOf('load').replace(taskId, '01a1fd9e-4eb6-73dd-be4e-000000000000'),
    };
    assert.deepEqual(judged({ resumedLedger: [ofChild as LedgerLine] }).repeated, []);
    assert.deepEqual(judged({ resumedLedger: [begun('load')] }).repeated, ['load']);
  });

  it('does not call a task lost that waits, or that was never accepted', () => {
    assert.equal(judged({ task: { ...task, status: 'waiting' } }).lost, undefined);
    assert.equal(judged({ acceptedTaskId: undefined, before: [] }).lost, undefined);
  });

  it('calls a recorded step repeated that runs again or is recorded again', () => {
    assert.deepEqual(judged({ resumedLedger: [begun('load')] }).repeated, ['load']);
    assert.deepEqual(judged({ after: [loaded, entry(2, 'step.completed', 'load'), ended] }).repeated, [
      'load',
    ]);
  });

  it('does not mind an unrecorded step that runs again', () => {
    const { repeated } = judged({
      before: [],
      killedLedger: [begun('load')],
      resumedLedger: [begun('load')],
    });
    assert.deepEqual(repeated, []);
  });

  it('calls a second effect silent unless somebody decided', () => {
    const twice = { before: [], killedLedger: [begun('pay', 'once')], resumedLedger: [begun('pay', 'once')] };
    assert.deepEqual(judged(twice).silent, ['pay']);
    const resolved = entry(1, 'doubt.resolved', 'pay', { action: 'retry', by: 'policy' });
    assert.deepEqual(judged({ ...twice, after: [resolved, ended] }).silent, []);
  });

  it('does not call the tries silent that a step asked for', () => {
    const tries = [begun('pay', 'once'), begun('pay', 'once', 2)];
    assert.deepEqual(judged({ killedLedger: tries }).silent, []);
  });

  it('counts what children did, in their own journals', () => {
    const ofChild = (name: string): LedgerLine =>
      ({
        ...begun(name, 'once'),
        key: keyOf(name).replace(taskId, 'child'),
      }) as LedgerLine;
    const twice = { killedLedger: [ofChild('pay')], resumedLedger: [ofChild('pay')] };
    assert.deepEqual(judged(twice).silent, ['pay']);
    const resolved = entry(1, 'doubt.resolved', 'pay', { action: 'retry', by: 'policy' });
    // What was decided for a step of the parent was not decided for the child's.
    assert.deepEqual(judged({ ...twice, after: [loaded, resolved, ended] }).silent, ['pay']);
    assert.deepEqual(judged({ ...twice, children: new Map([['child', [resolved]]]) }).silent, []);
    const doubt = entry(2, 'wait.opened', 'pay', { kind: 'doubt' });
    assert.deepEqual(judged({ children: new Map([['child', [doubt]]]) }).inDoubt, ['pay']);
  });

  it('names the steps in doubt, and the run that asked out of its turn', () => {
    const doubt = entry(2, 'wait.opened', 'pay', { kind: 'doubt' });
    assert.deepEqual(judged({ after: [loaded, doubt] }).inDoubt, ['pay']);
    const error = {
      name: 'OpspawnError',
      code: 'io_outside_step',
      message: 'step "b" was asked for out of its turn',
    };
    assert.equal(judged({ task: { ...task, status: 'failed', error } }).outOfTurn, true);
  });
});
