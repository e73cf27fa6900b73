/** The programs of the docs that are whole run: on a real server, with a model server that speaks as OpenAI's does. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { defineConfig, defineFunction, loadConfig, readSettings, startDev } from '@opspawn/ops-core';
import { readBlocks, root } from './read-blocks.ts';

/** Needs a program that is nobody's. */
const foreign = /notes-mcp/;

const pages = ['README.md', 'ops-docs/tutorials/*.md', 'ops-docs/how-to/*.md'];
const programs = (await readBlocks(pages)).filter(
  ({ code, prelude }) =>
    /^(?:import|await) |^const /.test(prelude + code) && !/declare /.test(prelude) && !foreign.test(code),
);

const folder = mkdtempSync(join(tmpdir(), 'opspawn-programs-'));
const open = new AsyncDisposableStack();
let serverUrl = '';

interface Asked {
  messages: { role: string }[];
  tools?: { function: { name: string; parameters: { properties?: Record<string, { type?: string }> } } }[];
}

/** Calls the first tool, with any arguments that fit, and then says that it is done. */
function answerTo({ messages, tools: [tool] = [] }: Asked): object {
  if (tool === undefined || messages.at(-1)?.role === 'tool') return { role: 'assistant', content: 'Done.' };
  const { name, parameters } = tool.function;
  const input = Object.entries(parameters.properties ?? {}).map(([key, { type }]) => [
    key,
    type === 'string' ? 'x' : 50_000,
  ]);
  const call = { name, arguments: JSON.stringify(Object.fromEntries(input)) };
  return {
    role: 'assistant',
    content: null,
    tool_calls: [{ id: 'call_1', type: 'function', function: call }],
  };
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const message = answerTo((await json(request)) as Asked);
  const finish_reason = 'tool_calls' in message ? 'tool_calls' : 'stop';
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ id: 'x', choices: [{ index: 0, message, finish_reason }], usage }));
}

async function openModelServer(): Promise<string> {
  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.defer(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

before(async () => {
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  process.env.AGENTKIT_LLM_PROVIDER = 'compatible';
  process.env.AGENTKIT_LLM_MODEL = 'any';
  process.env.AGENTKIT_LLM_BASE_URL = await openModelServer();
  process.env.BILLING_KEY = 'the-billing-key';
  const named = ['daily-report', 'sync-customer'].map((name) => defineFunction({ name, run: () => name }));
  const settings = readSettings({
    OPSPAWN_DATA_DIR: join(folder, 'data'),
    OPSPAWN_PORT: '0',
    OPSPAWN_LOG_LEVEL: 'silent',
  });
  const loaded = { path: join(folder, 'opspawn.config.ts'), config: defineConfig({ functions: named }) };
  serverUrl = open.use(await startDev({ settings, loaded })).url;
});
after(async () => {
  await open.disposeAsync();
  rmSync(folder, { recursive: true });
});

describe('a program of the docs', () => {
  for (const [index, { page, code, prelude }] of programs.entries()) {
    it(`runs: ${page}, ${code.split('\n', 1)[0]}`, async () => {
      const path = join(folder, `program-${index}.ts`);
      writeFileSync(path, `${prelude}\n${code}`.replaceAll('http://127.0.0.1:7070', serverUrl));
      const { default: config } = (await import(pathToFileURL(path).href)) as { default?: unknown };
      if (config !== undefined) await loadConfig(path);
    });
  }

  it('is most of what the pages show', () => assert.ok(programs.length >= 20, `${programs.length} programs`));
});
