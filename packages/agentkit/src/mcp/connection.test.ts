import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it } from 'node:test';
import { call, everything, hostOf, ownServer } from '../../test/mcp/hosting.ts';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** server-everything over streamable HTTP. Resolves when it listens. */
async function serveHttp(port: number): Promise<ChildProcess> {
  const [module = ''] = everything.args as string[];
  const child = spawn(process.execPath, [module, 'streamableHttp'], {
    env: { ...process.env, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  for await (const chunk of child.stderr) if (String(chunk).includes('listening')) break;
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

describe('connections to MCP servers', { timeout: 60_000 }, () => {
  it('speak the newer protocol with servers that know it, and the older one with others', async () => {
    await using host = hostOf({ modern: ownServer, legacy: everything });
    const tools = await host.tools(['modern', 'legacy']);
    const { envelope } = JSON.parse(String(await call(tools, 'modern__about')));
    assert.equal(envelope['io.modelcontextprotocol/protocolVersion'], '2026-07-28');
    assert.equal(await call(tools, 'legacy__echo', { message: 'x' }), 'Echo: x');
  });

  it('work over streamable HTTP, and are made anew after the server was away', async () => {
    const port = await freePort();
    let server = await serveHttp(port);
    await using host = hostOf({
      web: { url: `http://127.0.0.1:${port}/mcp`, restart: { initialDelayMs: 10, maxDelayMs: 50 } },
    });
    const tools = await host.tools(['web']);
    assert.equal(await call(tools, 'web__echo', { message: 'x' }), 'Echo: x');
    await kill(server);
    const away = { code: 'mcp_failed', message: /^MCP server web: fetch failed: .*ECONNREFUSED/ };
    await assert.rejects(call(tools, 'web__echo', { message: 'x' }), away);
    server = await serveHttp(port);
    const answers = async (): Promise<unknown> => {
      try {
        return await call(tools, 'web__echo', { message: 'again' });
      } catch {
        return undefined;
      }
    };
    while ((await answers()) !== 'Echo: again');
    // a restarted server knows no session of before
    await kill(server);
    server = await serveHttp(port);
    while ((await answers()) !== 'Echo: again');
    await kill(server);
  });

  it('send the configured headers over HTTP', async () => {
    const keys = new Set<unknown>();
    const server = createHttpServer((request, response) => {
      keys.add(request.headers['x-key']);
      response.writeHead(500).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await using host = hostOf({ web: { url: `http://127.0.0.1:${port}/mcp`, headers: { 'X-Key': 'k' } } });
    await assert.rejects(host.tools(['web']), { code: 'mcp_failed' });
    assert.deepEqual([...keys], ['k']);
    server.close();
    server.closeAllConnections();
  });

  it('fail with the address of nobody', async () => {
    await using host = hostOf({ web: { url: `http://127.0.0.1:${await freePort()}/mcp` } });
    await assert.rejects(host.tools(['web']), {
      code: 'mcp_failed',
      message: /^MCP server web: .*ECONNREFUSED/,
    });
  });
});
