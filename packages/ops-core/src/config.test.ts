import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { describeDatabase, readSettings } from './config.ts';

const day = 24 * 3_600_000;

describe('settings', () => {
  it('have a default each', () => {
    const settings = readSettings({});
    assert.deepEqual(settings, {
      dataDir: join(process.cwd(), '.opspawn'),
      database: { kind: 'sqlite', path: join(process.cwd(), '.opspawn/opspawn.db') },
      brokerUrl: undefined,
      host: '127.0.0.1',
      port: 7070,
      allowedHosts: [],
      logLevel: 'info',
      configPath: undefined,
      capacity: 100,
      queues: ['default'],
      leaseTtlMs: 15_000,
      shutdownGraceMs: 10_000,
      retention: { completedMs: 30 * day, failedMs: 90 * day, cancelledMs: 30 * day },
      environment: {},
    });
  });

  it('are read from the environment, and an empty variable counts as absent', () => {
    const settings = readSettings({
      OPSPAWN_DATA_DIR: '/data',
      OPSPAWN_PORT: '0',
      OPSPAWN_HOST: '',
      OPSPAWN_QUEUES: 'a, b,',
      PATH: '/bin',
    });
    assert.deepEqual(settings.database, { kind: 'sqlite', path: '/data/opspawn.db' });
    assert.equal(settings.port, 0);
    assert.equal(settings.host, '127.0.0.1');
    assert.deepEqual(settings.queues, ['a', 'b']);
    assert.equal(settings.environment.PATH, '/bin');
  });

  it('bound the connections to PostgreSQL, not below what a process needs', () => {
    const OPSPAWN_DATABASE_URL = 'postgres://a@db/opspawn';
    const settings = readSettings({ OPSPAWN_DATABASE_URL, OPSPAWN_DATABASE_CONNECTIONS: '6' });
    assert.deepEqual(settings.database, { kind: 'postgres', url: OPSPAWN_DATABASE_URL, connections: 6 });
    assert.throws(() => readSettings({ OPSPAWN_DATABASE_URL, OPSPAWN_DATABASE_CONNECTIONS: '5' }), {
      code: 'config_invalid',
      message: 'OPSPAWN_DATABASE_CONNECTIONS=5 must be from 6 to 100',
    });
  });

  it('are not misled by what Kubernetes tells every pod beside a Service that is called opspawn', () => {
    const links = { OPSPAWN_PORT: 'tcp://10.0.0.7:7070', OPSPAWN_PORT_7070_TCP_PORT: '7070' };
    assert.equal(readSettings({ ...links, OPSPAWN_SERVICE_HOST: '10.0.0.7' }).port, 7070);
  });

  for (const [slip, meant] of [
    ['OPSPAWN_DATABSE_URL', 'OPSPAWN_DATABASE_URL'],
    ['OPSPAWN_DATABASE_URI', 'OPSPAWN_DATABASE_URL'],
    ['OPSPAWN_QUEUE', 'OPSPAWN_QUEUES'],
    ['OPSPAWN_CONFIGS', 'OPSPAWN_CONFIG'],
    ['OPSPAWN_BROKRE_URL', 'OPSPAWN_BROKER_URL'],
  ] as const) {
    it(`say that ${slip} is no variable, and which one is meant`, () => {
      assert.throws(() => readSettings({ [slip]: 'x' }), {
        code: 'config_invalid',
        details: { variable: slip, meant },
      });
    });
  }

  it('pass over variables that are like none of them', () => {
    const environment = { OPSPAWN_SERVICE_HOST: 'x', OPSPAWN_PORT_7070_TCP_PORT: '1', OPSPAWN_APP: 'x' };
    assert.equal(readSettings({ ...environment, OPSPAWN_URL: 'x', OPSPAWN_API_KEY: 'x' }).port, 7070);
  });

  it('name a database and a broker by their URLs', () => {
    const databaseOf = (url: string) => readSettings({ OPSPAWN_DATABASE_URL: url }).database;
    assert.deepEqual(databaseOf('sqlite::memory:'), { kind: 'sqlite', path: ':memory:' });
    assert.deepEqual(databaseOf('sqlite:a/b.db'), {
      kind: 'sqlite',
      path: join(process.cwd(), 'a/b.db'),
    });
    for (const url of ['postgres://u:p@h:5432/d', 'postgresql:///d?host=/run/postgresql'])
      assert.deepEqual(databaseOf(url), { kind: 'postgres', url });
    const { brokerUrl } = readSettings({ OPSPAWN_BROKER_URL: 'amqp://h' });
    assert.equal(brokerUrl, 'amqp://h');
  });

  it('check the certificate of a database in every mode of TLS but no-verify', () => {
    const of = (query: string) => {
      const { database } = readSettings({ OPSPAWN_DATABASE_URL: `postgres://u@h/d?${query}` });
      return database.kind === 'postgres' ? new URL(database.url).search : '';
    };
    for (const mode of ['prefer', 'require', 'verify-ca', 'verify-full'])
      assert.equal(of(`sslmode=${mode}&x=1`), '?sslmode=verify-full&x=1');
    for (const kept of ['sslmode=disable', 'sslmode=no-verify', 'sslmode=require&uselibpqcompat=true'])
      assert.equal(of(kept), `?${kept}`);
  });

  it('are told without passwords', () => {
    const tell = (url: string) => describeDatabase({ kind: 'postgres', url });
    assert.equal(tell('postgres://u:p%40:x@h/d'), 'postgres://u:***@h/d');
    assert.equal(tell('postgres://u:p@ss/w@h/d'), 'postgres://u:***@h/d');
    assert.equal(tell('postgres://h/d?user=u&password=p&x=1'), 'postgres://h/d?user=u&password=***&x=1');
    assert.equal(tell('postgres://u@h:5432/d'), 'postgres://u@h:5432/d');
  });

  const refused: Readonly<Record<string, readonly [string, RegExp]>> = {
    'a port that is no number': ['OPSPAWN_PORT=7070x', /^OPSPAWN_PORT=7070x must be a whole number$/],
    'a port out of range': ['OPSPAWN_PORT=70700', /^OPSPAWN_PORT=70700 must be from 0 to 65535$/],
    'a database that is not supported': [
      'OPSPAWN_DATABASE_URL=mysql://u:secret@h/d',
      /^OPSPAWN_DATABASE_URL=mysql:\/\/u:\*\*\*@h\/d must be like sqlite:\S+ or postgres:/,
    ],
    'a database without a file': ['OPSPAWN_DATABASE_URL=sqlite:', /must be like sqlite:/],
    'a broker that is none': ['OPSPAWN_BROKER_URL=redis://h', /must be like amqp:/],
    'a broker whose password is not escaped': [
      'OPSPAWN_BROKER_URL=amqp://u:p%w@h',
      /^OPSPAWN_BROKER_URL=amqp:\/\/u:\*\*\*@h has a % that must be written as %25$/,
    ],
    'an unknown log level': ['OPSPAWN_LOG_LEVEL=loud', /must be one of trace, debug/],
  };
  for (const [what, [assignment, message]] of Object.entries(refused)) {
    it(`${what} is refused, and the variable is named`, () => {
      const [variable, value] = assignment.split(/=(.*)/) as [string, string];
      assert.throws(() => readSettings({ [variable]: value }), {
        code: 'config_invalid',
        message,
        details: { variable },
      });
    });
  }
});
