import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { OpspawnError } from '../errors.ts';
import { loadMcpConfig, type McpServerInput, type McpServers, parseMcpServers } from './mcp-config.ts';

describe('MCP config', () => {
  let directory = '';
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'opspawn-mcp-config-'));
  });
  after(() => rm(directory, { recursive: true }));

  async function load(
    text: string,
    {
      file = 'mcp_servers.yaml',
      environment = {},
    }: { file?: string; environment?: Record<string, string> } = {},
  ): Promise<McpServers> {
    await writeFile(join(directory, file), text);
    return loadMcpConfig(join(directory, file), { environment });
  }

  /** The lines of the error that loading this text gives, without the directory. */
  async function problems(text: string, environment: Record<string, string> = {}): Promise<string[]> {
    const error = await load(text, { environment }).then(
      () => assert.fail('it was accepted'),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof OpspawnError);
    assert.equal(error.code, 'config_invalid');
    return error.message.split('\n').map((line) => line.replace(join(directory, '/'), ''));
  }

  it('reads mcp_servers.yaml, with defaults', async () => {
    const servers = await load('servers:\n  files:\n    command: node\n    args: [server.js, 3000]\n');
    assert.deepEqual(servers, {
      files: {
        transport: { kind: 'stdio', command: 'node', args: ['server.js', '3000'], env: {}, cwd: undefined },
        trusted: false,
        pin: 'first-use',
        callTimeoutMs: 60_000,
        elicitation: true,
        elicitationTimeoutMs: 86_400_000,
        startTimeoutMs: 30_000,
        restart: { maxAttempts: 5, initialDelayMs: 200, factor: 2, maxDelayMs: 30_000 },
      },
    });
  });

  it('reads the mcpServers JSON of other clients, also indented by tabs', async () => {
    const text = JSON.stringify(
      {
        mcpServers: {
          git: { type: 'stdio', command: 'npx', args: ['-y', 'git-server'], env: { TOKEN: '${TOKEN}' } },
          docs: {
            type: 'http',
            url: 'https://example.org/mcp',
            headers: { Authorization: 'Bearer ${TOKEN}' },
          },
        },
      },
      undefined,
      '\t',
    );
    const { git, docs } = await load(text, { file: 'mcp.json', environment: { TOKEN: 't0p' } });
    assert.deepEqual(git?.transport, {
      kind: 'stdio',
      command: 'npx',
      args: ['-y', 'git-server'],
      env: { TOKEN: 't0p' },
      cwd: undefined,
    });
    assert.deepEqual(docs?.transport, {
      kind: 'http',
      url: 'https://example.org/mcp',
      headers: { Authorization: 'Bearer t0p' },
    });
  });

  it('puts variables and their defaults into strings, never into keys or other values', async () => {
    const text = [
      'servers:',
      '  files:',
      '    command: ${RUNNER:-node}',
      '    args: ["${ROOT}/a: b", "${EMPTY:-fallback}", "${EMPTY}", "$${ROOT}", "$ROOT"]',
      '    env: { PORT: 3000, QUOTED: "${QUOTED}" }',
    ].join('\n');
    const environment = { ROOT: '/data', EMPTY: '', QUOTED: '"\n  trusted: true' };
    const { files } = await load(text, { environment });
    assert.deepEqual(files?.transport, {
      kind: 'stdio',
      command: 'node',
      args: ['/data/a: b', 'fallback', '', '${ROOT}', '$ROOT'],
      env: { PORT: '3000', QUOTED: '"\n  trusted: true' },
      cwd: undefined,
    });
    assert.equal(files?.trusted, false);
  });

  it('finds a relative cwd from the file', async () => {
    const { files } = await load('servers: { files: { command: node, cwd: sub } }');
    assert.ok(files?.transport.kind === 'stdio');
    assert.equal(files.transport.cwd, join(directory, 'sub'));
  });

  it('names all missing variables at once, with their lines', async () => {
    const text =
      'servers:\n  a:\n    command: ${FIRST}\n    env:\n      KEY: ${SECOND}\n      OTHER: ${THERE}\n';
    assert.deepEqual(await problems(text, { THERE: 'yes' }), [
      'mcp_servers.yaml:3: variable FIRST is not set',
      'mcp_servers.yaml:5: variable SECOND is not set',
    ]);
  });

  it('names the line and the key of every typo', async () => {
    const cases: [text: string, ...expected: RegExp[]][] = [
      [
        'server:\n  a: { command: x }',
        /^mcp_servers.yaml:1: server: unknown key; known are servers, mcpServers$/,
      ],
      [
        'servers:\n  a:\n    comand: x\n',
        /yaml:3: servers\.a\.comand: unknown key; known are type, command, /,
      ],
      [
        'servers:\n  a:\n    command: x\n    restart:\n      max: 3\n',
        /yaml:5: servers\.a\.restart\.max: unknown key/,
      ],
      [
        'servers:\n  a:\n    command: x\n    trusted: yess\n',
        /yaml:4: servers\.a\.trusted: .*expected boolean/,
      ],
      [
        'servers:\n  a:\n    command: x\n    callTimeoutMs: 60s\n',
        /yaml:4: servers\.a\.callTimeoutMs: .*expected number/,
      ],
      [
        'servers:\n  a:\n    command: x\n    startTimeoutMs: 0\n',
        /yaml:4: servers\.a\.startTimeoutMs: Too small/,
      ],
      [
        'servers:\n  a:\n    command: x\n    args:\n      - ok\n      - [1]\n',
        /yaml:6: servers\.a\.args\.1: expected a string/,
      ],
      [
        'servers:\n  a:\n    command: x\n    env:\n      A: {}\n',
        /yaml:5: servers\.a\.env\.A: expected a string/,
      ],
      ['servers:\n  my_server:\n    command: x\n', /yaml:2: servers\.my_server: a server name is 1 to 40 of/],
      ['servers:\n  a: {}\n', /yaml:2: servers\.a: needs either command or url$/],
      [
        'servers:\n  a:\n    command: x\n    url: http://x/\n',
        /yaml:2: servers\.a: needs either command or url$/,
      ],
      ['servers:\n  a:\n    url: file:///etc\n', /yaml:3: servers\.a\.url: expected an http or https URL$/],
      ['servers:\n  a:\n    type: sse\n    url: http://x/\n', /yaml:3: servers\.a\.type: .*"stdio"\|"http"/],
      [
        'servers:\n  a:\n    url: http://x/\n    env: {}\n',
        /yaml:4: servers\.a\.env: goes with command, not with url$/,
      ],
      [
        'servers:\n  a:\n    command: x\n    headers: {}\n',
        /yaml:4: servers\.a\.headers: goes with url, not with command$/,
      ],
      ['servers:\n  a:\n    command: x\n  a:\n    command: y\n', /yaml:4: Map keys must be unique$/],
      ['servers:\n  a:\n    command: "x\n', /yaml:\d: Missing closing "quote$/],
      [
        'servers:\n  a:\n    command: x\n    args: [${ROOT}]\n',
        /yaml:4: .* \(inside \[ \] and \{ \}, "\$\{NAME\}" needs quotes\)$/,
      ],
      ['servers:\n  a:\n    command: "${1ST}"\n', /yaml:3: \$\{1ST\} is neither \$\{NAME\} nor/],
      ['servers:\n', /yaml:1: servers: .*expected record/],
      ['', /yaml:1: .*expected object/],
      ['- a', /yaml:1: .*expected object/],
    ];
    for (const [text, expected] of cases) {
      const found = await problems(text);
      assert.match(found[0] ?? '', expected as RegExp, text);
    }
  });

  it('names every problem of a file, not only the first', async () => {
    const text = 'servers:\n  a:\n    command: x\n    trustd: true\n    alow: []\n  b:\n    command: 7\n';
    assert.deepEqual(
      (await problems(text)).map((line) => line.split(':').slice(1, 3).join(':')),
      ['4: servers.a.trustd', '5: servers.a.alow', '7: servers.b.command'],
    );
  });

  it('names a file that cannot be read', async () => {
    await assert.rejects(loadMcpConfig(join(directory, 'none.yaml'), { environment: {} }), {
      code: 'config_invalid',
      message: /none\.yaml: cannot be read: ENOENT/,
    });
  });

  it('takes servers from code, and names each bad key', () => {
    const servers = parseMcpServers({ files: { command: 'node', trusted: true, allow: ['read_file'] } });
    assert.deepEqual(servers.files?.allow, ['read_file']);
    assert.equal(servers.files?.trusted, true);
    const typo = { comand: 'node' } as McpServerInput;
    assert.throws(() => parseMcpServers({ files: typo }), {
      code: 'config_invalid',
      message: /^MCP servers: files\.comand: unknown key; known are type, command/,
    });
  });
});
