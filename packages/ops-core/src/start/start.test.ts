import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { defineAgent } from '@opspawn/agentkit';
import { callTool, scriptedModel } from '@opspawn/agentkit/testing';
import { runTask, temporaryFolder, testSettings } from '../../test/opspawn.ts';
import { localPrincipal } from '../auth/principal.ts';
import { retireDatabase } from '../storage/sqlite/database/moved.ts';
import { defineFunction } from '../tasks/definitions/definition.ts';
import { defineConfig, type OpspawnConfig } from '../tasks/definitions/user-config.ts';
import { startDev, startServer, startWorker } from './start.ts';

const echo = defineFunction({ name: 'echo', run: (_ctx, input) => input });
const loadedFrom = (folder: string, config: OpspawnConfig) => ({
  path: join(folder, 'opspawn.config.ts'),
  config: defineConfig(config),
});

describe('a whole process', () => {
  it('serves and works, and leaves only the database behind', async (t) => {
    const folder = temporaryFolder(t);
    const loaded = loadedFrom(folder, { functions: [echo] });
    const running = await startDev({ settings: testSettings(folder), loaded });
    const response = await fetch(`${running.url}/v1/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'echo', input: 'hi' }),
    });
    assert.equal(response.status, 201);
    const { id } = (await response.json()) as { id: string };
    for await (const _ of running.engine.follow(localPrincipal, id, { after: 0, signal: t.signal }));
    assert.equal((await running.engine.get(localPrincipal, id)).output, 'hi');
    await running[Symbol.asyncDispose]();
    assert.deepEqual(
      readdirSync(folder).filter((name) => !name.startsWith('opspawn.db')),
      [],
    );
    await assert.rejects(fetch(running.url));
  });

  it('a server needs no user code, and a worker beside it runs what it takes', async (t) => {
    const folder = temporaryFolder(t);
    await using server = await startServer({ settings: testSettings(folder) });
    const refused = { code: 'invalid_argument' };
    await assert.rejects(server.engine.submit(localPrincipal, { name: 'echo' }), refused);
    const loaded = loadedFrom(folder, { functions: [echo] });
    await using _worker = await startWorker({ settings: testSettings(folder), loaded });
    const { task } = await runTask(t, server.engine, { name: 'echo', input: 1 });
    assert.equal(task.output, 1);
  });

  it('a server alone ends what is past its deadline while no worker is there', {
    timeout: 60_000,
  }, async (t) => {
    const folder = temporaryFolder(t);
    const settings = testSettings(folder);
    const loaded = loadedFrom(folder, { functions: [echo] });
    await (await startWorker({ settings, loaded }))[Symbol.asyncDispose]();
    await using server = await startServer({ settings });
    const { engine } = server;
    const { task } = await engine.submit(localPrincipal, { name: 'echo', timeoutMs: 100 });
    for await (const _ of engine.follow(localPrincipal, task.id, { after: 0, signal: t.signal }));
    const { status, error } = await engine.get(localPrincipal, task.id);
    assert.deepEqual([status, error?.code], ['failed', 'deadline_exceeded']);
  });

  it('lives on and is not ready once its data was moved', async (t) => {
    const folder = temporaryFolder(t);
    await using server = await startServer({ settings: testSettings(folder) });
    const ask = async () =>
      await Promise.all(
        ['health', 'ready'].map(async (path) => (await fetch(`${server.url}/${path}`)).status),
      );
    assert.deepEqual(await ask(), [200, 200]);
    const database = new DatabaseSync(join(folder, 'opspawn.db'), { returnArrays: true });
    retireDatabase(database, 'postgres://there');
    database.close();
    assert.deepEqual(await ask(), [200, 503]);
  });

  it('that cannot have its port says so, and holds nothing open', async (t) => {
    const folder = temporaryFolder(t);
    await using server = await startServer({ settings: testSettings(folder) });
    const port = Number(new URL(server.url).port);
    const other = temporaryFolder(t);
    await assert.rejects(startServer({ settings: testSettings(other, { port }) }), {
      code: 'config_invalid',
    });
    await using again = await startServer({ settings: testSettings(other) });
    await again.engine.ready();
  });

  it('refuses an MCP file with a typo before anything starts', async (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, 'mcp.yaml'), 'servers:\n  files:\n    comand: node\n');
    const loaded = loadedFrom(folder, { mcp: { file: 'mcp.yaml' } });
    await assert.rejects(startWorker({ settings: testSettings(folder), loaded }), {
      code: 'config_invalid',
      message: /mcp\.yaml:3: /,
    });
  });

  it('refuses an agent that uses an MCP server which is not configured', async (t) => {
    const folder = temporaryFolder(t);
    const source = "export default {\n  agents: [agent],\n  mcp: {\n    servers: ['fils'],\n  },\n};";
    writeFileSync(join(folder, 'opspawn.config.ts'), source);
    const agent = defineAgent({ name: 'reader', instructions: 'Read.', mcp: { servers: ['fils'] } });
    const loaded = loadedFrom(folder, { agents: [agent], mcp: { servers: { files: { command: 'node' } } } });
    await assert.rejects(startWorker({ settings: testSettings(folder), loaded }), {
      code: 'config_invalid',
      message: /opspawn\.config\.ts:4: the agent reader uses the MCP server fils, .* configured: files$/,
    });
  });
});

describe('the MCP servers of a worker', () => {
  const everything = fileURLToPath(
    import.meta.resolve('@modelcontextprotocol/server-everything/dist/index.js'),
  );
  const config: OpspawnConfig = {
    agents: [
      defineAgent({
        name: 'proxied',
        instructions: 'Echo.',
        model: scriptedModel({
          name: 'proxied',
          steps: [
            callTool('mcp_proxy', { server: 'everything', tool: 'echo', arguments: { message: 'hello' } }),
            ({ messages }) => JSON.stringify(messages.at(-1)),
          ],
        }),
      }),
    ],
    mcp: {
      servers: { everything: { command: process.execPath, args: [everything, 'stdio'], trusted: true } },
    },
  };

  for (const [what, request] of Object.entries({
    'injectMcpProxy of the task': { input: 'Go', injectMcpProxy: true },
    'injectMcpProxy in the input': { input: { prompt: 'Go', injectMcpProxy: true } },
    'inject_mcp_proxy in the input': { input: { prompt: 'Go', inject_mcp_proxy: true } },
  })) {
    it(`are reached through mcp_proxy by ${what}`, async (t) => {
      const folder = temporaryFolder(t);
      await using worker = await startWorker({
        settings: testSettings(folder),
        loaded: loadedFrom(folder, config),
      });
      const { task } = await runTask(t, worker.engine, {
        name: 'proxied',
        retry: { maxAttempts: 1 },
        ...request,
      });
      assert.match(String(task.output), /Echo: hello/, JSON.stringify(task.error));
    });
  }
});
