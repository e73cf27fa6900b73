import assert from 'node:assert/strict';
import { it, suite } from 'node:test';
import { describeThrown, isRetryable, OpspawnError, recordError, toOpspawnError } from './errors.ts';

const refuse = (): never => {
  throw new Error('do not look');
};

class Unreadable extends Error {
  override get message(): string {
    return refuse();
  }
}

const symbolic = Object.assign(new Error(), { message: Symbol('said'), name: { not: 'a text' } });
const circular = Object.assign(new Error('round'), { cause: undefined as unknown });
circular.cause = circular;

const thrownThings: [unknown, string][] = [
  [null, 'null'],
  [undefined, 'undefined'],
  ['a text', 'a text'],
  [Symbol('s'), 'Symbol(s)'],
  [{ code: '42P01', message: 'there is no table' }, 'there is no table'],
  [{ message: 7 }, '[object Object]'],
  [Object.freeze(new Error('frozen')), 'frozen'],
  [new TypeError(), 'TypeError'],
  [Object.create(null), 'what was thrown cannot be read'],
  [{ toString: refuse }, 'what was thrown cannot be read'],
  [new Unreadable(), 'what was thrown cannot be read'],
  [
    new Proxy({}, { get: refuse, getPrototypeOf: refuse, has: refuse, ownKeys: refuse }),
    'what was thrown cannot be read',
  ],
  [symbolic, 'Symbol(said)'],
  [circular, 'round'],
];

suite('whatever is thrown', () => {
  it('is described in a text', () => {
    for (const [thrown, said] of thrownThings) assert.equal(describeThrown(thrown), said);
  });

  it('is recorded with what it says', () => {
    assert.equal(recordError({ code: '42P01', message: 'there is no table' }).message, 'there is no table');
  });

  it('can be recorded as JSON, compared and handed on', () => {
    for (const [thrown] of thrownThings) {
      const recorded = recordError(thrown, 'tool_failed');
      assert.equal(recorded.code, 'tool_failed');
      assert.equal(typeof recorded.name, 'string');
      assert.equal(typeof recorded.message, 'string');
      JSON.stringify(recorded);
      assert.equal(isRetryable(thrown), true);
      assert.equal(toOpspawnError(thrown).code, 'internal');
    }
  });

  it('is recorded with those of its causes that can be read', () => {
    const cause = new Proxy(new Error('x'), { get: refuse });
    assert.deepEqual(recordError(new OpspawnError('tool_failed', 'it broke', { cause })), {
      name: 'OpspawnError',
      code: 'tool_failed',
      message: 'it broke',
      cause: { name: 'Error', code: 'internal', message: 'what was thrown cannot be read' },
    });
  });
});

it('an error with a code that is not in the table says so', () => {
  assert.throws(
    () => new OpspawnError('no_such' as 'internal', 'it broke'),
    (thrown) =>
      thrown instanceof OpspawnError && /^no_such is no code of errorCodes: it broke$/.test(thrown.message),
  );
});
