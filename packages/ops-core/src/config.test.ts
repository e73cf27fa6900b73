import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readSettings } from './config.ts';

describe('settings', () => {
  it('have a default each', () => {
    const settings = readSettings({});
    assert.deepEqual(settings, {
      dataDir: join(process.cwd(), '.opspawn'),
      databaseUrl: `sqlite:${join(process.cwd(), '.opspawn/opspawn.db')}`,
      databasePath: join(process.cwd(), '.opspawn/opspawn.db'),
      host: '127.0.0.1',
      port: 7070,
      logLevel: 'info',
      configPath: undefined,
      capacity: 100,
      queues: ['default'],
      leaseTtlMs: 15_000,
      shutdownGraceMs: 10_000,
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
    assert.equal(settings.databasePath, '/data/opspawn.db');
    assert.equal(settings.port, 0);
    assert.equal(settings.host, '127.0.0.1');
    assert.deepEqual(settings.queues, ['a', 'b']);
    assert.equal(settings.environment.PATH, '/bin');
  });

  const refused: Readonly<Record<string, readonly [string, RegExp]>> = {
    'a port that is no number': ['OPSPAWN_PORT=7070x', /^OPSPAWN_PORT=7070x must be a whole number$/],
    'a port out of range': ['OPSPAWN_PORT=70700', /^OPSPAWN_PORT=70700 must be from 0 to 65535$/],
    'a database that is not supported': [
      'OPSPAWN_DATABASE_URL=postgres://u@h/d',
      /^OPSPAWN_DATABASE_URL=\S+ must begin with sqlite:/,
    ],
    'a database without a file': ['OPSPAWN_DATABASE_URL=sqlite:', /must name a file/],
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
