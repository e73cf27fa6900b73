import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createToolManager } from '../tool-manager.ts';
import { add, subtract } from './arithmetic.ts';
import { calculator } from './calculator.ts';
import { evaluateExpression } from './expression.ts';

test('add and subtract do what they say, and are read-only', async () => {
  const manager = createToolManager({ tools: { add, subtract } });
  for (const [tool, expected] of [
    ['add', 5],
    ['subtract', -1],
  ] as const) {
    const call = await manager.prepare({ callId: 'c', tool, input: { a: 2, b: 3 } });
    assert.ok('execute' in call);
    const signal = new AbortController().signal;
    const execution = {
      callId: 'c',
      tool,
      input: call.input,
      idempotencyKey: 'k',
      signal,
      progress: () => {},
    };
    assert.deepEqual([await call.execute(execution), call.effect], [expected, 'read']);
  }
});

test('an expression has the value that arithmetic gives it', () => {
  const values: [string, number][] = [
    ['1 + 2 * 3', 7],
    ['(1 + 2) * 3', 9],
    ['10 - 4 - 3', 3],
    ['2 ^ 3 ^ 2', 512],
    ['-2 ^ 2', -4],
    ['2 ^ -1', 0.5],
    ['7 % 4 * 2', 6],
    ['--3 + +2', 5],
    ['1.5e3 + .5', 1500.5],
    ['2 * (3 + sqrt(16)) ^ 2', 98],
    ['max(1, 2 * 4, 3) - min(5)', 3],
    ['round(pi * 100) / 100', 3.14],
    [' ln( e ) ', 1],
  ];
  for (const [text, value] of values) assert.equal(evaluateExpression(text), value, text);
});

test('an expression of any operators has the value that JavaScript gives it', () => {
  const numbers = fc.integer({ min: 0, max: 999 }).map(String);
  const { expression } = fc.letrec<{ expression: string }>((tie) => ({
    expression: fc.oneof(
      { maxDepth: 5 },
      numbers,
      fc
        .tuple(tie('expression'), fc.constantFrom('+', '-', '*', '/', '%'), tie('expression'))
        .map((parts) => parts.join(' ')),
      tie('expression').map((inner) => `(${inner})`),
      tie('expression').map((inner) => `-(${inner})`),
    ),
  }));
  fc.assert(
    fc.property(expression, (text) => {
      const expected: unknown = new Function(`return ${text}`)();
      if (Number.isFinite(expected)) assert.equal(evaluateExpression(text), expected);
      else assert.throws(() => evaluateExpression(text), RangeError);
    }),
    { numRuns: 300 },
  );
});

test('what is no expression is refused with its column, and nothing is run', () => {
  const wrong: [string, RegExp][] = [
    ['', /Unexpected end at column 1/],
    ['1 +', /Unexpected end at column 4/],
    ['1 2', /Unexpected "2" at column 3/],
    ['(1', /"\)" was expected/],
    ['2 $ 3', /Unexpected "\$" at column 3/],
    ['sqrt 4', /"\(" was expected/],
    ['sqrt(1, 2)', /Unexpected ","/],
    ['process.exit(1)', /Unexpected "process"/],
    ['constructor', /Unexpected "constructor"/],
    ['toString()', /Unexpected "toString"/],
    ['('.repeat(500), /Nested/],
    ['-'.repeat(500), /Nested/],
    ['1'.concat('^1'.repeat(500)), /Nested/],
  ];
  for (const [text, message] of wrong)
    assert.throws(() => evaluateExpression(text), { name: 'SyntaxError', message }, text);
  for (const text of ['1 / 0', '0 / 0', 'sqrt(-1)', '10 ^ 400']) {
    assert.throws(() => evaluateExpression(text), { name: 'RangeError' });
  }
  assert.match(calculator.description, /Example/);
});
