/** What a person reads who starts a process on a database that cannot be used. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import {
  createEmptyDatabase,
  createTestDatabase,
  skipWithoutPostgres,
  type TestDatabase,
} from '../../packages/ops-core/test/postgres/test-database.ts';
import { startPgBouncer } from '../../scripts/services/pgbouncer.ts';
import { ServiceMissing } from '../../scripts/services/service.ts';
import { opspawn } from './opspawn-process.ts';

const config = fileURLToPath(new URL('opspawn.config.ts', import.meta.url));
const cwd = mkdtempSync(join(tmpdir(), 'opspawn-cli-'));
after(() => rmSync(cwd, { recursive: true }));

interface Case {
  what: string;
  url: string;
  exit: number;
  /** Of the line that says what is wrong; then comes one that says what to do. */
  message: RegExp;
  hint: RegExp;
}

const commands = [
  ['server', '--port', '0'],
  ['worker', '--config', config],
];

/** Each by one of the commands that need a database, in turn. */
async function check({ what, url, exit, message, hint }: Case, index: number): Promise<void> {
  const command = commands[index % commands.length] ?? [];
  const { code, stdout, stderr } = await opspawn(command, { cwd, env: { OPSPAWN_DATABASE_URL: url } });
  const lines = stderr.trimEnd().split('\n');
  assert.match(lines[0] ?? '', message, what);
  assert.match(lines[1] ?? '', hint, what);
  assert.deepEqual([code, stdout, lines.length], [exit, '', 2], `${what}: ${stderr}`);
  assert.doesNotMatch(stderr, /sesame/, what);
}

describe('a PostgreSQL that cannot be used', { skip: skipWithoutPostgres, timeout: 300_000 }, () => {
  let database: TestDatabase;
  before(async () => {
    database = await createTestDatabase();
  });
  after(() => database[Symbol.asyncDispose]());

  const query = async (sql: string, url = database.url): Promise<void> => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(sql);
    await client.end();
  };

  it('is told in one line, without its password, with what to do in a second one, and the exit code says why', async () => {
    const wrong = (parts: object) => Object.assign(new URL(database.url), parts).href;
    await using later = await createTestDatabase();
    await query('insert into opspawn.migrations (version) values (9999)', later.url);
    await using foreign = await createEmptyDatabase();
    await query('create schema opspawn', foreign.url);
    const readOnly = wrong({ search: '?options=-c%20default_transaction_read_only=on' });
    const cases: Omit<Case, 'what'>[] = [
      {
        url: wrong({ password: 'sesame' }),
        exit: 2,
        message: /:\*\*\*@.* cannot be used: password authentication failed.*\[config_invalid\]$/,
        hint: /Check user and password/,
      },
      {
        url: wrong({ pathname: '/nowhere' }),
        exit: 2,
        message: /database "nowhere" does not exist \[config_invalid\]$/,
        hint: /Create the database/,
      },
      {
        url: wrong({ port: '1', password: 'sesame' }),
        exit: 6,
        message: /ECONNREFUSED.*\[unavailable\]$/,
        hint: /Is PostgreSQL running there/,
      },
      {
        url: wrong({ hostname: 'nowhere.invalid', password: 'sesame' }),
        exit: 6,
        message: /nowhere\.invalid.*\[unavailable\]$/,
        hint: /host/,
      },
      { url: later.url, exit: 1, message: /schema 9999.*\[schema_too_new\]$/, hint: /Install the version/ },
      {
        url: foreign.url,
        exit: 2,
        message: /of another program \[config_invalid\]$/,
        hint: /in which no other program/,
      },
      { url: readOnly, exit: 2, message: /it is read-only \[config_invalid\]$/, hint: /the primary server/ },
      {
        url: wrong({ search: '?sslmode=verify-full' }),
        exit: 2,
        message: /SSL.*\[config_invalid\]$/,
        hint: /sslmode/,
      },
    ];
    for (const [index, one] of cases.entries()) await check({ what: one.url, ...one }, index);
  });

  it('is one behind a pooler that changes sessions under its clients; one that keeps them can be used', async (t) => {
    await using changing = await startPgBouncer(database.url, 'transaction').catch((thrown: unknown) => {
      if (!(thrown instanceof ServiceMissing)) throw thrown;
      t.skip(thrown.message);
      return undefined;
    });
    if (changing === undefined) return;
    const refused = {
      url: changing.url,
      exit: 2,
      message: /a pooler on the way gives each transaction another session.*\[config_invalid\]$/,
      hint: /pool_mode = session/,
    };
    for (const index of commands.keys()) await check({ what: 'PgBouncer', ...refused }, index);
    await using keeping = await startPgBouncer(database.url, 'session');
    const args = [
      'run',
      'greet',
      '{"who":"you"}',
      '--embedded',
      '--config',
      config,
      '--database',
      keeping.url,
    ];
    const { stdout, stderr } = await opspawn(args, { cwd });
    assert.equal(stdout, 'Hello you\n', stderr);
  });
});

describe('a SQLite file that cannot be used', () => {
  it('is told in one line, with what to do in a second one, and the exit code says why', async () => {
    const text = join(cwd, 'text.db');
    writeFileSync(text, 'no database, but a text that is long enough to be taken for one '.repeat(20));
    mkdirSync(join(cwd, 'folder.db'));
    const cases: Omit<Case, 'what'>[] = [
      {
        url: `sqlite:${text}`,
        exit: 2,
        message: /text\.db cannot be used: file is not a database \[config_invalid\]$/,
        hint: /another program/,
      },
      {
        url: `sqlite:${join(cwd, 'folder.db')}`,
        exit: 2,
        message: /folder\.db cannot be used.*\[config_invalid\]$/,
        hint: /It must be a file/,
      },
      {
        url: 'sqlite:/dev/null/x/opspawn.db',
        exit: 2,
        message: /folder \/dev\/null\/x cannot be made.*\[config_invalid\]$/,
        hint: /Name one that this user may make/,
      },
    ];
    for (const [index, one] of cases.entries()) await check({ what: one.url, ...one }, index);
  });

  it('is told also by what only reads it, and stays as it was', async () => {
    const foreign = join(cwd, 'foreign.db');
    using database = new DatabaseSync(foreign);
    database.exec('create table theirs (a)');
    const before = readFileSync(foreign);
    const cases = [
      [foreign, /tables of another program \[config_invalid\]/],
      [join(cwd, 'text.db'), /file is not a database \[config_invalid\]/],
      [join(cwd, 'folder.db'), /it is not a file \[config_invalid\]/],
    ] as const;
    for (const [path, said] of cases) {
      for (const args of [['status'], ['migrate'], ['backup', join(cwd, 'copy.db')]]) {
        const told = args[0] === 'migrate' && path.endsWith('folder.db') ? /\[config_invalid\]/ : said;
        const { code, stderr } = await opspawn(['db', ...args], {
          cwd,
          env: { OPSPAWN_DATABASE_URL: `sqlite:${path}` },
        });
        assert.equal(code, 2, stderr);
        assert.match(stderr, told);
      }
    }
    assert.deepEqual(readFileSync(foreign), before);
  });
});
