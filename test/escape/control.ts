/** `node control.ts < attempts`: attempts as this user, without any tier; prints what came of each, as JSON. */
import { existsSync, rmSync } from 'node:fs';
import { json } from 'node:stream/consumers';
import carryOut, { type Given } from './attempt.ts';
import type { Attempt } from './attempts.ts';

export interface Controlled {
  given: Given;
  attempts: readonly Pick<Attempt, 'language' | 'code'>[];
}

const { given, attempts } = (await json(process.stdin)) as Controlled;
const traces = [given.outside, `${given.shelf}/new`, `${given.box}/hard`];
const came: unknown[] = [];
for (const attempt of attempts) {
  const value = await carryOut({ ...attempt, given }).catch(() => undefined);
  came.push(value || traces.some((path) => existsSync(path)));
  for (const path of traces) rmSync(path, { force: true });
}
process.stdout.write(JSON.stringify(came), () => process.exit());
