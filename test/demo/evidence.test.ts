import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Entry } from '@opspawn/sdk';
import { weigh } from '../../scripts/demo/evidence.ts';

let seq = 0;
const entry = (attempt: number, name: string, data: Entry['data']): Entry => {
  seq += 1;
  return { seq, type: 'step.completed', attempt, at: 0, branch: '', name, count: 1, data };
};
const asks = (attempt: number, turn: number, ...paths: string[]): Entry => {
  const content = paths.map((path, index) => ({
    type: 'tool-call',
    callId: `${turn}.${index}`,
    tool: 'read',
    input: { path },
  }));
  return entry(attempt, `model:${turn}`, { kind: 'llm', value: { message: { role: 'assistant', content } } });
};
const reads = (attempt: number, turn: number, index: number): Entry =>
  entry(attempt, `filesystem__read:${turn}:${turn}.${index}`, { kind: 'tool', value: 'text' });

describe('the evidence of the demo', () => {
  it('is that calls were made again which the killed worker had no result of', () => {
    const journal = [asks(1, 1, 'a', 'b'), reads(1, 1, 0), reads(2, 1, 1)];
    const evidence = weigh(journal, ['model turn 1', 'read a', 'read b', 'read b']);
    assert.deepEqual(evidence, {
      steps: 3,
      stepsOfFirst: 2,
      serverCalls: 3,
      turns: 1,
      again: ['read b'],
      repeated: [],
    });
  });

  it('calls it repeated when a call was made again although its result was recorded', () => {
    const journal = [asks(1, 1, 'a', 'b'), reads(1, 1, 0), reads(2, 1, 1)];
    assert.deepEqual(
      weigh(journal, ['model turn 1', 'model turn 1', 'read a', 'read a', 'read b']).repeated,
      ['model turn 1', 'read a'],
    );
  });

  it('calls it repeated when a step was recorded twice', () => {
    assert.deepEqual(weigh([asks(1, 1, 'a'), reads(1, 1, 0), reads(2, 1, 0)], ['read a']).repeated, [
      'filesystem__read:1:1.0',
    ]);
  });

  it('lets a model ask for the same thing in two steps', () => {
    const journal = [asks(1, 1, 'a'), reads(1, 1, 0), asks(1, 2, 'a'), reads(1, 2, 0)];
    const { again, repeated } = weigh(journal, ['model turn 1', 'read a', 'model turn 2', 'read a']);
    assert.deepEqual([again, repeated], [[], []]);
  });
});
