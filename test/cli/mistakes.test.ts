import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { after, describe, it } from 'node:test';
import { command, opspawn } from './opspawn-process.ts';

const cwd = mkdtempSync(join(tmpdir(), 'opspawn-cli-'));
after(() => rmSync(cwd, { recursive: true }));
/** Nothing listens there. */
const env = { OPSPAWN_URL: 'http://127.0.0.1:9' };
const run = (...args: string[]) => opspawn(args, { cwd, env });

describe('help', () => {
  it('is printed on stdout for every command', async () => {
    const commands = [
      'start',
      'server',
      'worker',
      'run',
      'task',
      'task list',
      'task resolve',
      'crash-test',
      'doctor',
    ];
    for (const command of ['', ...commands]) {
      const { code, stdout, stderr } = await run(...command.split(' ').filter(Boolean), '--help');
      assert.equal(code, 0, command);
      assert.match(stdout, /^Usage: opspawn/, command);
      assert.equal(stderr, '', command);
    }
  });

  it('shows examples where a command is not obvious', async () => {
    for (const command of ['run', 'crash-test', 'start']) {
      assert.match((await run(command, '--help')).stdout, /Examples?:\n {2}opspawn /);
    }
  });

  it('says the exit codes', async () => {
    assert.match((await run('--help')).stdout, /Exit codes: 0 done/);
  });

  it('and version need no config and no server', async () => {
    assert.match((await run('--version')).stdout, /^\d+\.\d+\.\d+\n$/);
  });
});

describe('output that cannot be written', () => {
  const skip = existsSync('/dev/full') ? false : 'there is no /dev/full here';

  for (const args of [['--version'], ['task', '--help']])
    it(`exits with 1 and says why: ${args.join(' ')}`, { skip }, () => {
      const full = openSync('/dev/full', 'w');
      const { status, stderr } = spawnSync(process.execPath, [command, ...args], {
        stdio: ['ignore', full, 'pipe'],
        encoding: 'utf8',
      });
      closeSync(full);
      assert.match(stderr, /^error: the output cannot be written: ENOSPC/);
      assert.equal(status, 1);
    });
});

describe('talk and logs that cannot be written', () => {
  const skip = existsSync('/dev/full') ? false : 'there is no /dev/full here';

  it('do not change what a command does', { skip }, () => {
    for (const [args, code] of [
      [['tusk'], 2],
      [['task', 'list'], 6],
    ] as const) {
      const full = openSync('/dev/full', 'w');
      const { status } = spawnSync(process.execPath, [command, ...args], {
        stdio: ['ignore', 'ignore', full],
        env: { ...process.env, ...env },
      });
      closeSync(full);
      assert.equal(status, code, args.join(' '));
    }
  });

  it('end no server', { skip }, async () => {
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [command, 'server', '--port', '0', '--json'], {
      cwd,
      stdio: ['ignore', 'pipe', full],
      env: { ...process.env, OPSPAWN_LOG_LEVEL: 'info' },
    });
    closeSync(full);
    const exited = once(child, 'exit');
    for await (const line of createInterface({ input: child.stdout as Readable })) {
      const { url } = JSON.parse(line) as { url: string };
      const { code, stderr } = await opspawn(['task', 'list', '--url', url], { cwd });
      assert.equal(code, 0, stderr);
      break;
    }
    child.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
  });
});

describe('a mistake on the command line exits with 2 and says what is wrong', () => {
  const cases: [string[], RegExp][] = [
    [['tusk'], /unknown command 'tusk'\n\(Did you mean task\?\)/],
    [['run'], /missing required argument 'name'/],
    [['start', '--prot', '1'], /unknown option '--prot'\n\(Did you mean --port\?\)/],
    [['start', '--port', '99999'], /'99999' is invalid\. It must be a whole number, 0 to 65535\./],
    [['worker', '--capacity', '0'], /'0' is invalid\. It must be a whole number, 1 to 10000\./],
    [['worker', '--queues', 'a b'], /OPSPAWN_QUEUES=a b must be 1 to 63 of A-Z/],
    [['run', 'x', '--kind', 'agnet'], /Allowed choices are agent, function, workflow/],
    [['run', 'x', '{bad'], /error: the input: the value is not JSON: .*\n.*--input/],
    [['run', 'x', '--input', '@missing.json'], /--input: missing\.json cannot be read: ENOENT/],
    [['run', 'x', 'y', '--input', '1'], /The input is given twice/],
    [['task', 'get', 'xyz'], /xyz is no task id/],
    [['task', 'list', '--url', 'ftp://x'], /ftp:\/\/x is no http or https URL/],
    [['task', 'list', '--url', 'ftp://ada:secret@x'], /ftp:\/\/…@x is no http or https URL/],
    [['task', 'list', '--url', 'http://x', '--data', '.'], /cannot be used with/],
    [['task', 'list', '--status', 'done'], /'done' is invalid\. Allowed choices are pending, running/],
    [['limit', 'set', 'x'], /Say what the limit of x is: .*\n"opspawn limit delete KEY"/],
    [['limit', 'set', 'x', '--unlimited', '--max-running', '1'], /cannot be used with option/],
    [['provider', 'set', 'openai'], /Say what a key of openai may send: .*\n"opspawn provider delete/],
    [['settings', 'set'], /Say what to change; "opspawn settings set --help" lists it/],
    [['task', 'resolve', 'id', 'step'], /Say one of --retry, --result JSON and --fail/],
    [['task', 'resolve', 'id', 'step', '--retry', '--fail'], /Say one of --retry, --result JSON and --fail/],
    [
      ['server', '--data', '/dev/null/x'],
      /The data folder \/dev\/null\/x cannot be made: ENOTDIR.*\[config_invalid\]/,
    ],
    [
      ['server', '--host', 'nowhere.invalid', '--data', 'nowhere'],
      /cannot listen on nowhere\.invalid:7070: E.* \[config_invalid\]/,
    ],
    [['worker', '--config', 'missing.ts'], /There is no file .*missing\.ts \[config_invalid\]/],
  ];
  for (const [args, message] of cases) {
    it(args.join(' '), async () => {
      const { code, stdout, stderr } = await opspawn(args, { cwd });
      assert.match(stderr, message);
      assert.equal(stdout, '');
      assert.equal(code, 2);
    });
  }

  it('as one line of JSON with --json', async () => {
    const { code, stderr } = await run('run', '--json');
    assert.equal(code, 2);
    assert.deepEqual(JSON.parse(stderr), {
      error: { code: 'invalid_argument', message: "missing required argument 'name'", details: {} },
    });
  });
});

describe('without a server', () => {
  it('a command exits with 6 and says how to start one', async () => {
    const { code, stderr } = await run('task', 'list');
    assert.equal(code, 6);
    assert.match(
      stderr,
      /No Opspawn server answers at http:\/\/127\.0\.0\.1:9 \[unavailable\]\nStart one with "opspawn start"/,
    );
  });

  it('the error is JSON with --json', async () => {
    const { error } = JSON.parse((await run('task', 'list', '--json')).stderr);
    assert.equal(error.code, 'unavailable');
    assert.match(error.hint, /opspawn start/);
  });

  it('a data folder that is none exits with 4 and is not made', async () => {
    for (const args of [
      ['task', 'list'],
      ['key', 'list'],
      ['key', 'delete', 'x'],
    ]) {
      const { code, stderr } = await opspawn([...args, '--data', 'nothing'], { cwd });
      assert.equal(code, 4, args.join(' '));
      assert.match(stderr, /There is no Opspawn data in .*nothing \[not_found\]/);
    }
    assert.equal(existsSync(join(cwd, 'nothing')), false);
  });
});

describe('a config with a mistake', () => {
  it('exits with 2 and names file, line and key', async () => {
    const config = join(cwd, 'typo.config.ts');
    writeFileSync(config, 'export default {\n  functions: [],\n  agnets: [],\n};\n');
    const { code, stderr } = await opspawn(['worker', '--config', config], { cwd });
    assert.equal(code, 2);
    assert.match(stderr, /error: typo\.config\.ts:3: agnets is not known \[config_invalid\]/);
  });

  it('is told by doctor, which exits with 1', async () => {
    const { code, stdout } = await opspawn(['doctor', '--config', 'typo.config.ts', '--json'], { cwd });
    const findings = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(code, 1);
    assert.equal(findings.find(({ check }) => check === 'node').state, 'ok');
    assert.match(findings.find(({ check }) => check === 'config').detail, /agnets is not known/);
  });
});
