import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OpspawnError } from './errors.ts';
import * as kit from './index.ts';
import * as testing from './testing.ts';

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
      ['runAgent', [makers.defineAgent, { prompt: 'x' }], /The environment of the run is not valid/],
      ['secretsFrom', [{ KEY: undefined }], /^- KEY: /m],
      ['filePins', [], /the path of a file/],
      ['fileCredentials', [], /the path of a folder/],
      ['loginToMcpServer', [], /The login is not valid/],
      ['moduleUrl', ['./entry'], /import\.meta\.url/],
    ];
    for (const [name, given, message] of bad)
      await assert.rejects(make(name, ...given), (thrown) => {
        assert.ok(thrown instanceof OpspawnError, `${name}: ${String(thrown)}`);
        assert.match(thrown.message, message, name);
        return true;
      });
  });

  it('takes process.env itself, which is no plain object', async () => {
    await make('createModelRegistry', { environment: process.env });
    await make('createMcpHost', { servers: {}, environment: process.env });
    await make('secretsFrom', process.env);
  });
});
