import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { guardedFetch } from './guarded-fetch.ts';

const outside = [{ address: '93.184.215.14', family: 4 }];
const denied = { code: 'tool_denied' };

/** A server on the public internet, as far as its name goes; it redirects to `location`, or answers. */
function publicServer(location?: string, status = 302) {
  const asked: { url: string; headers: Headers }[] = [];
  const resolved: string[] = [];
  const fetching = guardedFetch('https://mcp.example/mcp', {
    resolve: async (host) => {
      resolved.push(host);
      return host === 'inside.example' ? [{ address: '10.0.0.7', family: 4 }] : outside;
    },
    fetch: async (url, init) => {
      asked.push({ url: String(url), headers: new Headers(init?.headers) });
      if (location === undefined) return new Response('answer');
      return new Response(null, { status, headers: { location } });
    },
  });
  return { asked, resolved, fetching };
}

describe('what an MCP server on the internet names', () => {
  it('is asked only on the internet, whatever its metadata say', async () => {
    const { fetching, asked } = publicServer();
    for (const url of [
      'http://169.254.169.254/latest/meta-data/',
      'http://127.0.0.1:8080/token',
      'http://[::1]/token',
      'https://inside.example/.well-known/oauth-authorization-server',
      'http://2130706433/',
    ])
      await assert.rejects(fetching(url), denied, url);
    await assert.rejects(fetching('file:///etc/passwd'), denied);
    assert.deepEqual(asked, []);
    assert.equal(await (await fetching('https://mcp.example/other')).text(), 'answer');
  });

  it('leads nowhere else by a redirect', async () => {
    for (const location of [
      'http://169.254.169.254/latest/meta-data/',
      'https://127.0.0.1/',
      'https://inside.example/',
      'http://mcp.example/mcp',
      'file:///etc/passwd',
      'http://',
    ])
      await assert.rejects(publicServer(location).fetching('https://mcp.example/mcp'), denied, location);
  });

  it('redirects five times at most', async () => {
    const { fetching, asked } = publicServer('/again');
    await assert.rejects(fetching('https://mcp.example/mcp'), /redirects more than 5 times/);
    assert.equal(asked.length, 6);
  });

  it('does not get what was meant for another origin', async () => {
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: 'secret' });
    const { fetching } = publicServer('https://other.example/token', 307);
    await assert.rejects(fetching('https://mcp.example/token', { method: 'POST', body }), denied);
  });
});

async function serve(t: { after(fn: () => void): void }, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('an MCP server within a network', () => {
  it('may name others there, and its secrets stay with it at a redirect', async (t) => {
    const seen: (string | undefined)[] = [];
    const other = await serve(t, ({ headers, method, url }, response) => {
      seen.push(headers.authorization, headers.accept, method, url);
      response.end('elsewhere');
    });
    const own = await serve(t, ({ url }, response) => {
      response.writeHead(url === '/same' ? 303 : 302, {
        location: url === '/same' ? '/mcp' : `${other}/there`,
      });
      response.end();
    });
    const headers = { authorization: 'Bearer secret', accept: 'application/json' };
    const response = await guardedFetch(own)(`${own}/same`, { method: 'POST', body: 'x', headers });
    assert.equal(await response.text(), 'elsewhere');
    assert.deepEqual(seen, [undefined, 'application/json', 'GET', '/there']);
  });
});

describe('an address that was looked at', () => {
  it('is the one that is connected to: a name that leads elsewhere a moment later leads nowhere', async (t) => {
    const url = new URL(await serve(t, (_request, response) => response.end('inside')));
    url.hostname = 'localhost';
    let asked = 0;
    const resolve = async () => {
      asked += 1;
      return outside;
    };
    const fetching = guardedFetch('https://mcp.example/mcp', { resolve });
    await assert.rejects(fetching(url, { signal: AbortSignal.timeout(300) }), (thrown) => {
      assert.ok(!(thrown instanceof assert.AssertionError));
      return true;
    });
    assert.equal(asked, 2);
  });
});
