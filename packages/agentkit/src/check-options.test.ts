import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OpspawnError } from './errors.ts';
import * as kit from './index.ts';
import * as testing from './testing.ts';

const evalReport: kit.EvalReport = {
  format: 'opspawn-eval/1',
  agent: 'a',
  startedAt: '2026-01-01T00:00:00.000Z',
  cases: [],
  scores: { exact: 1 },
  failed: 0,
  usage: { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, reasoningTokens: 0 },
};

type Maker = (...given: unknown[]) => unknown;

/** What makes something of one object of options, with options that are right. */
const makers: Record<string, object> = {
  askHuman: {},
  cassetteProvider: { original: () => {} },
  createMcpHost: { servers: {} },
  createMemory: {},
  createModelRegistry: {},
  createProcessPool: {},
  createSecurityManager: {},
  createToolManager: { tools: {} },
  defineAgent: { name: 'a', instructions: 'b' },
  definePlugin: { name: 'a', version: '1.0.0' },
  defineTool: { description: 'd', input: { jsonSchema: {} }, execute: () => 1 },
  httpFetch: {},
  judge: {},
  listDirTool: { root: '.' },
  memoryProviderBudget: {},
  memoryEnvironment: {},
  memorySteps: {},
  numeric: {},
  openCassette: {
    id: 'x',
    path: 'x',
    mode: 'record',
    original: () => testing.scriptedModel({ name: 'x', reply: 'x' }),
  },
  openSqliteMemory: { path: ':memory:' },
  planExecute: {},
  readFileTool: { root: '.' },
  recallTool: {},
  rememberTool: {},
  runEval: { agent: kit.defineAgent({ name: 'a', instructions: 'b' }), cases: [], scorers: [] },
  runJavascript: {},
  runShell: {},
  scriptedModel: { name: 'x', steps: [] },
  testMcpServer: {},
  supervisor: { name: 'a', agents: [{ name: 'b', instructions: 'c' }] },
  writeFileTool: { root: '.' },
};

const doors: Record<string, unknown> = { ...kit, ...testing };
const make = async (name: string, ...given: unknown[]): Promise<void> => {
  const made = await (doors[name] as Maker)(...given);
  const close = (made as Partial<AsyncDisposable> | undefined)?.[Symbol.asyncDispose];
  await close?.call(made);
};
const isRefusal = (thrown: unknown): boolean => thrown instanceof OpspawnError && thrown.message.length > 20;

describe('options', () => {
  it('that cannot even be read are not valid, and say what was thrown', () => {
    const throwing = (key: string) =>
      Object.defineProperty({ name: 'a', instructions: 'x', version: '1.0.0' }, key, {
        enumerable: true,
        get() {
          throw new TypeError('no such file');
        },
      }) as never;
    for (const make of [
      () => kit.defineAgent(throwing('tools')),
      () => kit.createModelRegistry(throwing('providers')),
      () => kit.memorySteps(throwing('retry')),
      () => kit.definePlugin(throwing('tools')),
      () => kit.definePlugin(throwing('name')),
      () => kit.createSecurityManager(throwing('rules')),
    ])
      assert.throws(
        make,
        { code: 'config_invalid', message: /cannot be read: .*no such file/ },
        String(make),
      );
  });

  it('are looked at by whatever is made of them', () => {
    const elsewhere = ['createEmbedder']; // no object of options
    const named = Object.keys(kit).filter((name) => /^(create|define|open)[A-Z]/.test(name));
    assert.deepEqual(
      named.filter((name) => !Object.hasOwn(makers, name) && !elsewhere.includes(name)),
      [],
    );
  });

  for (const [name, options] of Object.entries(makers)) {
    it(`of ${name} are refused when they are none, and when a key is misspelt`, async () => {
      await make(name, options);
      for (const given of [null, 'text', 5, [], { ...options, misspelt: 1 }])
        await assert.rejects(make(name, given), isRefusal, JSON.stringify(given));
      await assert.rejects(make(name, { ...options, misspelt: 1 }), /misspelt: is not known/);
    });
  }

  it('name the path of what is wrong', async () => {
    const bad: [name: string, given: unknown[], message: RegExp][] = [
      ['createMcpHost', [], /The MCP host is not valid/],
      ['createMcpHost', [{}], /^- servers: must be the servers by name/m],
      ['createMcpHost', [{ servers: { files: { command: 'x' } } }], /^- servers\.files: .*parseMcpServers/m],
      ['createModelRegistry', [{ providers: { own: {} } }], /^- providers\.own: must be a function/m],
      ['createModelRegistry', [{ prices: { 'a/b': { input: 1 } } }], /^- prices\.a\/b\.input: is not known/m],
      ['createSecurityManager', [{ secrets: { KEY: 'x' } }], /^- secrets: must be an object with values/m],
      ['createToolManager', [], /The tool manager is not valid/],
      ['createEmbedder', [], /no embedding model: provider\/model/],
      ['createMemory', [{ embedder: 'openai/x' }], /^- embedder: must be an object with id, embed/m],
      ['openSqliteMemory', [{}], /^- path: /m],
      [
        'createModelRegistry',
        [{ prices: { 'a/b': { inputMicroUsd: -1, outputMicroUsd: 1 } } }],
        /^- prices\.a\/b\.inputMicroUsd: /m,
      ],
      ['memoryProviderBudget', [{ bounds: { openai: { rpm: 1 } } }], /^- bounds\.openai\.rpm: is not known/m],
      ['httpFetch', [{ host: ['a'] }], /^- host: is not known/m],
      ['readFileTool', [], /The file tool is not valid/],
      ['runShell', [{ read: '/data' }], /^- read: /m],
      ['handoff', [undefined], /The agent to hand the conversation to/],
      ['scripted', [[{ cal: { tool: 'x' } }]], /^- \[0\]: must be \{ call \}/m],
      ['scripted', [{ call: { tool: 'x' } }], /The script is not valid/],
      ['scriptedModel', [{ name: 'x', steps: [{ sya: 'x' }] }], /^- steps\[0\]\.sya: is not known/m],
      ['aiSdkModel', [{}], /takes an id, as provider\/model/],
      ['fallbackModel', ['openai/a', 'openai/b'], /names of models go into/],
      ['runEval', [{ ...makers.runEval, run: { sesionId: 'a' } }], /^- sesionId: is not known/m],
      [
        'runEval',
        [{ ...makers.runEval, cases: [{ input: 'x', expcted: 1 }] }],
        /^- cases\[0\]\.expcted: is not/m,
      ],
      [
        'runEval',
        [{ ...makers.runEval, cases: [{ input: 'x', id: '2' }, { input: 'y' }] }],
        /id "2" is there twice/,
      ],
      ['runAgent', [makers.defineAgent, { prompt: 'x' }], /The environment of the run is not valid/],
      ['secretsFrom', [{ KEY: undefined }], /^- KEY: /m],
      ['filePins', [], /the path of a file/],
      ['fileCredentials', [], /the path of a folder/],
      ['loginToMcpServer', [], /The login is not valid/],
      ['moduleUrl', ['./entry'], /import\.meta\.url/],
      ['memoryOver', [{}], /must be an object with put, byWords/],
      ['createEmbedder', [5n], /bigint is no embedding model/],
      ['createMemory', [Promise.resolve({})], /is a promise: await it/],
      ['memorySteps', [{ budget: { token: 5 } }], /^- budget\.token: is not known/m],
      [
        'memoryEnvironment',
        [{ stepOptions: { retry: { tries: 5 } } }],
        /^- stepOptions\.retry\.tries: is not/m,
      ],
      ['testMcpServer', [{ tools: { a: { exec: () => 1 } } }], /^- tools\.a\.exec: is not known/m],
      ['replayingSteps', [[{ name: 'x' }]], /^- \[0\]\.outcome: /m],
      ['scriptedProvider', ['first-tool'], /^- \[0\]: must be an object with id, call/m],
      ['scriptedEmbedder', ['x', ['car']], /^- \[0\]: .*expected array/m],
      ['fakeClock', ['2026-01-01'], /expected number, received string/],
      ['jsonSchemaOf', [{ type: 'object' }], /must be a Standard Schema/],
      ['textOf', [{ role: 'user', content: 'x' }], /content as a list of parts/],
      ['callsOf', [], /content as a list of parts/],
      ['parseEvalCases', [Buffer.from('{}')], /readFile\(path, 'utf8'\) gives it/],
      ['parseEvalCases', ['{"input":"a","expect":5}'], /^Line 1 of the dataset: expect: is not known$/],
      ['compareEvals', [evalReport, { scores: {} }], /^The report after is not valid:\n- format: /],
      ['compareEvals', [undefined, evalReport], /^The report before is not valid/],
      ['evalTable', [{}], /^- format: /m],
      [
        'evalTable',
        [evalReport, evalReport],
        /^The comparison of two reports is not valid:\n- scores\.exact: /,
      ],
      ['missedThresholds', [evalReport], /^The record of thresholds is not valid/],
      ['missedThresholds', [evalReport, { exact: NaN }], /^- exact: /m],
      ['matchesSchema', [], /must be an object, true or false/],
      ['expectEvents', [testing.collectEvents(), []], /collectEvents\(\)\.events/],
      ['expectEvents', [[], [{ type: 'tool.finish' }]], /^- \[0\]\.type: .*"tool\.finished"/m],
      ['expectEvents', [[], [], { exact: true }], /^- exact: is not known/m],
      ['expectNoEvent', [[], { tool: 'add' }], /^- type: /m],
    ];
    for (const [name, given, message] of bad)
      await assert.rejects(make(name, ...given), (thrown) => {
        assert.ok(thrown instanceof OpspawnError, `${name}: ${String(thrown)}`);
        assert.match(thrown.message, message, name);
        return true;
      });
  });

  it('of a run are refused when it is given an MCP host that none of its agents names a server of', async () => {
    const model = testing.scriptedModel({ name: 'x', reply: 'x' });
    const alone = kit.defineAgent({ name: 'a', instructions: 'b', model });
    await using server = await testing.testMcpServer();
    await using mcp = kit.createMcpHost({ servers: kit.parseMcpServers({ notes: server.config }) });
    await assert.rejects(alone.run('x', { mcp }), /- mcp: the agent a names no servers/);
    await alone.run('x', { mcp, injectMcpProxy: true });
    const reader = kit.defineAgent({ name: 'reader', instructions: 'b', model, mcp: { servers: ['notes'] } });
    for (const tool of [kit.delegate(reader), kit.handoff(() => reader)])
      await kit.defineAgent({ name: 'c', instructions: 'd', model, tools: { tool } }).run('x', { mcp });
  });

  it('takes process.env itself, which is no plain object', async () => {
    await make('createModelRegistry', { environment: process.env });
    await make('createMcpHost', { servers: {}, environment: process.env });
    await make('secretsFrom', process.env);
  });
});
