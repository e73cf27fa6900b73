import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { isAway, refusalOf } from './failure.ts';

/** As a server says it. */
const said = (severity: string, code: string): Error =>
  Object.assign(new pg.DatabaseError('could not write init file', 0, 'error'), { severity, code });

test('what ends a session is no fault of the statement, as on a disk on which no session can begin', () => {
  assert.equal(isAway(said('FATAL', 'XX000')), true);
  assert.equal(isAway(said('PANIC', 'XX000')), true);
  assert.equal(isAway(said('ERROR', '53100')), true);
});

test('what a server says of a statement is', () => {
  assert.equal(isAway(said('ERROR', 'XX000')), false);
  assert.equal(refusalOf(said('ERROR', 'XX000')).code, 'internal');
});
