import assert from 'node:assert/strict';
import { it, suite } from 'node:test';
import { matchesPattern } from './name-pattern.ts';

suite('a pattern of names', () => {
  it('fits what it says, with any characters for each *', () => {
    const fitting = ['*', '**', 'a*', '*z', 'a*z', 'a*m*z', 'a*.*z', 'a.m.z', '*a.m.z*', 'a***z'];
    for (const pattern of fitting) assert.equal(matchesPattern(pattern, 'a.m.z'), true, pattern);
    const others = ['', 'a', 'a.m.z.', 'A*', 'a*y', 'b*', 'a*mm*z', 'a.m.z*a.m.z', 'a?m?z', 'a.m*m.z', '.*'];
    for (const pattern of others) assert.equal(matchesPattern(pattern, 'a.m.z'), false, pattern);
    assert.equal(matchesPattern('a*bc*c', 'abc'), false, 'no character counts twice');
    assert.equal(matchesPattern('', ''), true);
    assert.equal(matchesPattern('a\n*', 'a\nb\nc'), true);
  });

  it('is compared in no time, however many * it has', () => {
    const name = 'a'.repeat(64);
    for (const pattern of [`${'*'.repeat(30)}x`, `${'a*'.repeat(30)}b`, `${'*a'.repeat(30)}*b`])
      assert.equal(matchesPattern(pattern, name), false);
    assert.equal(matchesPattern('a*'.repeat(30), name), true);
  });
});
