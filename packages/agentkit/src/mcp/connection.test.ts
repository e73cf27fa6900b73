import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it } from 'node:test';
import { call, everything, hostOf, ownServer } from '../../test/mcp/hosting.ts';
import { sessionServer } from '../../test/mcp/session-server.ts';

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

describe('connections to MCP servers', { timeout: 300_000 }, () => {
  it('speak the newer protocol with servers that know it, and the older one with others', async () => {
    let version: unknown;
    // A server that takes many seconds to start is taken for one of the older protocol.
    for (let tries = 0; tries < 5 && version === undefined; tries += 1) {
      await using host = hostOf({ modern: ownServer });
      const { envelope } = JSON.parse(String(await call(await host.tools(['modern']), 'modern__about')));
      version = envelope?.['io.modelcontextprotocol/protocolVersion'];
    }
    assert.equal(version, '2026-07-28');
    await using host = hostOf({ legacy: everything });
    assert.equal(await call(await host.tools(['legacy']), 'legacy__echo', { message: 'x' }), 'Echo: x');
  });

  it('speak the older protocol with a server over HTTP that never answers the first request of the newer one', async () => {
    await using server = await sessionServer();
    server.ways['server/discover'] = () => {};
    await using host = hostOf({ web: { url: server.url, startTimeoutMs: 1_000 } });
    assert.equal(await call(await host.tools(['web']), 'web__read'), 'read');
    assert.equal(host.status()[0]?.restarts, 0);
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

  it('make a call once more, over a new session, when the server knows the old one no more', async () => {
    await using server = await sessionServer();
    await using host = hostOf({ web: { url: server.url } });
    const tools = await host.tools(['web']);
    for (let restart = 0; restart < 3; restart += 1) {
      server.sessions.clear();
      const said = await Promise.all(['read', 'write'].map((name) => call(tools, `web__${name}`)));
      assert.deepEqual(said, ['read', 'write']);
    }
    assert.equal(server.calls.length, 6, 'none was done twice');
  });

  it('are kept when one request is answered with an error, and others go on', async () => {
    await using server = await sessionServer();
    await using host = hostOf({ web: { url: server.url } });
    const tools = await host.tools(['web']);
    server.ways.work = (_request, response) => response.writeHead(503).end('busy');
    await assert.rejects(call(tools, 'web__work'), {
      code: 'mcp_failed',
      retryable: true,
      message: 'MCP server web: HTTP 503: busy (during work)',
      details: { server: 'web', subject: 'work', outcome: 'unknown' },
    });
    server.ways.work = (_request, response) => response.writeHead(422).end('no');
    await assert.rejects(call(tools, 'web__work'), { code: 'mcp_failed', retryable: false });
    assert.equal(await call(tools, 'web__read'), 'read');
    assert.deepEqual([server.sessions.size, host.status()[0]?.restarts], [1, 0]);
  });

  it('never repeat a call that broke off on its way: it may have been done', async () => {
    await using server = await sessionServer();
    await using host = hostOf({ web: { url: server.url } });
    const tools = await host.tools(['web']);
    server.ways.work = (_request, response) => response.destroy();
    await assert.rejects(call(tools, 'web__work'), {
      code: 'mcp_failed',
      details: { server: 'web', subject: 'work', outcome: 'unknown' },
    });
    assert.deepEqual(server.calls, ['work']);
    assert.equal(await call(tools, 'web__read'), 'read');
  });

  it('cut off what floods them', async () => {
    await using server = await sessionServer();
    await using host = hostOf({ web: { url: server.url } });
    const tools = await host.tools(['web']);
    const flood = (type: string) => (_request: object, response: ServerResponse) => {
      response.writeHead(200, { 'content-type': type });
      response.write(type === 'application/json' ? '"' : 'data: ');
      const chunk = 'x'.repeat(1024 * 1024);
      const pour = (broken?: Error | null): void => {
        if (!broken) response.write(chunk, pour);
      };
      pour();
    };
    for (const type of ['application/json', 'text/event-stream']) {
      server.ways.work = flood(type);
      await assert.rejects(call(tools, 'web__work'), {
        code: 'mcp_failed',
        message: /^MCP server web: .*(10 MB|broke off)/,
      });
      assert.equal(await call(tools, 'web__read'), 'read');
    }
  });
});
