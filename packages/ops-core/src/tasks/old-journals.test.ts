import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it, type TestContext } from 'node:test';
import { config, mend, parked, ran } from '../../test/journals/definitions.ts';
import { type Fixture, loadIntoPostgres, loadIntoSqlite, readFixtures } from '../../test/journals/fixture.ts';
import { openOpspawn, temporaryFolder, untilFinished, untilStatus } from '../../test/opspawn.ts';
import { createEmptyDatabase, skipWithoutPostgres } from '../../test/postgres/test-database.ts';
import { localPrincipal } from '../auth/principal.ts';
import { readMigrations } from '../storage/postgres/database/migrate.ts';
import type { Engine } from './engine-interface.ts';

const fixtures = readFixtures();
const me = localPrincipal;

/** Every task of the fixture comes to its end, and no step runs that was recorded. */
async function goesOn(t: TestContext, engine: Engine): Promise<void> {
  ran.length = 0;
  const { items } = await engine.list(me, { limit: 100 });
  const idOf = (name: string) => items.find((task) => task.name === name)?.id ?? assert.fail(name);
  for (const [name, status] of Object.entries(parked))
    assert.equal((await engine.get(me, idOf(name))).status, status, name);

  const order = idOf('order');
  const step = async (id: string, kind: string) =>
    (await engine.get(me, id)).waits.find((wait) => wait.kind === kind)?.step ?? assert.fail(kind);
  await engine.signal(me, order, { name: 'go', data: 7 });
  await untilStatus(t, engine, order, 'waiting');
  await engine.decide(me, order, await step(order, 'approval'), { approved: true });
  const payment = idOf('payment');
  await engine.resolve(me, payment, await step(payment, 'doubt'), { action: 'result', result: 'paid once' });
  const clerk = idOf('clerk');
  await engine.decide(me, clerk, await step(clerk, 'question'), { approved: true, answer: 'three' });
  await engine.retry(me, idOf('fragile'));

  const outputOf = async (name: string) => {
    const { task } = await untilFinished(t, engine, idOf(name));
    assert.equal(task.status, 'completed', JSON.stringify(task.error));
    return task.output;
  };
  const { drawn, ...ordered } = (await outputOf('order')) as { drawn: { now: number; uuid: string } };
  assert.deepEqual(ordered, {
    first: 'first',
    mapped: ['mapped a', 'mapped b'],
    child: { input: 'input', ran: 'in the child' },
    caught: 'breaks',
    approved: true,
    signalled: 7,
    last: 'last',
  });
  assert.ok(drawn.now < Date.now() && drawn.uuid.length === 36);
  assert.equal(await outputOf('payment'), 'paid once');
  assert.equal(await outputOf('clerk'), 'As many as you say.');
  assert.deepEqual(await outputOf('fragile'), { before: 'before', broken: 'broken' });
  assert.deepEqual(ran.toSorted(), ['broken', 'last'], 'only what had no result');
}

describe('journals that an earlier version wrote', () => {
  before(mend);

  it('are kept of every schema', () => {
    assert.deepEqual(
      fixtures.map(({ schema }) => schema),
      readMigrations().map(({ version }) => version),
      'write those of the new schema: node scripts/journal-fixtures.ts',
    );
  });

  for (const fixture of fixtures) onBoth(fixture);
});

function onBoth(fixture: Fixture): void {
  it(`of schema ${fixture.name} go on in SQLite`, async (t) => {
    const folder = temporaryFolder(t);
    mkdirSync(folder, { recursive: true });
    loadIntoSqlite(fixture, join(folder, 'opspawn.db'));
    const { engine } = await openOpspawn(t, config, { folder });
    await goesOn(t, engine);
  });

  it(`of schema ${fixture.name} go on in PostgreSQL`, { skip: skipWithoutPostgres }, async (t) => {
    await using database = await createEmptyDatabase();
    await loadIntoPostgres(fixture, database.url);
    const running = await openOpspawn(t, config, {
      folder: temporaryFolder(t),
      settings: { database: { kind: 'postgres', url: database.url } },
    });
    await goesOn(t, running.engine);
    await running[Symbol.asyncDispose]();
  });
}
