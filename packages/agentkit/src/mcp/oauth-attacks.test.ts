import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { call, hostOf } from '../../test/mcp/hosting.ts';
import { type Mischief, type ProtectedServer, protectedServer } from '../../test/mcp/protected-server.ts';
import { OpspawnError } from '../errors.ts';
import { memoryCredentials } from './credentials.ts';
import { loginToMcpServer } from './login.ts';
import { type McpServerInput, parseMcpServers } from './mcp-config.ts';

const startTimeoutMs = 1_500;
const configured = ({ url }: ProtectedServer, more: McpServerInput['oauth'] = {}): McpServerInput => ({
  url,
  startTimeoutMs,
  oauth: { clientMetadataUrl: 'https://client.example/opspawn.json', ...more },
});

async function comeBack(page: URL): Promise<void> {
  const { headers } = await fetch(page, { redirect: 'manual' });
  await (await fetch(headers.get('location') ?? '')).text();
}

/** Logs in as a person who agrees. Gives how it ended, what was opened, and what is kept. */
async function attempt(mischief: Mischief, open = comeBack, oauth: McpServerInput['oauth'] = {}) {
  await using server = await protectedServer();
  server.mischief = mischief;
  const credentials = memoryCredentials();
  const config = parseMcpServers({ web: configured(server, oauth) }).web;
  assert.ok(config);
  const opened: string[] = [];
  const thrown = await loginToMcpServer({
    server: 'web',
    config,
    credentials,
    open: (url) => {
      opened.push(url.href);
      return open(url);
    },
  }).catch((error: unknown) => error);
  const { tokens } = await credentials.load('web');
  return { thrown, opened, tokens, grants: [...server.grants] };
}

const cases: readonly { what: string; mischief: Mischief; opens?: number; message: RegExp }[] = [
  {
    what: 'a person who says no',
    mischief: { callback: { code: '', error: 'access_denied' } },
    opens: 1,
    message: /access_denied/,
  },
  {
    what: 'an answer in the name of another authorization server',
    mischief: { callback: { iss: 'https://evil.example' } },
    opens: 1,
    message: /iss/i,
  },
  {
    what: 'metadata that belong to another authorization server',
    mischief: { metadata: { issuer: 'https://evil.example' } },
    message: /issuer/i,
  },
  {
    what: 'a resource that is not the server',
    mischief: { resource: { resource: 'https://evil.example/mcp' } },
    message: /resource/i,
  },
  {
    what: 'an authorization server without PKCE',
    mischief: { metadata: { code_challenge_methods_supported: ['plain'] } },
    message: /code challenge|S256/i,
  },
  ...['javascript:alert(1)', 'file:///etc/passwd', 'vscode://x/install', 'data:text/html,x'].map(
    (authorization_endpoint) => ({
      what: `a login page at ${authorization_endpoint}`,
      mischief: { metadata: { authorization_endpoint } },
      message: /page of|URL|Invalid/i,
    }),
  ),
  { what: 'metadata that are none', mischief: { metadata: { issuer: 7 } }, message: /./ },
  { what: 'tokens that are none', mischief: { tokens: { access_token: 7 } }, opens: 1, message: /./ },
  {
    what: 'a token endpoint that never answers',
    mischief: { silent: ['/token'] },
    opens: 1,
    message: /time/i,
  },
  {
    what: 'metadata that never come',
    mischief: { silent: ['/.well-known/oauth-authorization-server'] },
    message: /time/i,
  },
];

describe('a login to an MCP server', { timeout: 60_000 }, () => {
  for (const { what, mischief, opens = 0, message } of cases) {
    it(`ends with an error and no token at ${what}`, async () => {
      const { thrown, opened, tokens } = await attempt(mischief);
      assert.ok(thrown instanceof OpspawnError, String(thrown));
      assert.match(thrown.message, message);
      assert.deepEqual([opened.length, tokens], [opens, undefined]);
    });
  }

  it('goes to no other authorization server than the configured one', async () => {
    const { thrown, opened, grants } = await attempt({}, comeBack, { issuer: 'https://login.example' });
    assert.ok(thrown instanceof OpspawnError);
    assert.deepEqual([opened, grants], [[], []]);
  });

  it('is not disturbed by what else comes to its port', async () => {
    const { thrown, tokens } = await attempt({}, async (page) => {
      const back = new URL(page.searchParams.get('redirect_uri') ?? '');
      for (const path of ['//', '/callback/../x', '/', 'http://[']) {
        const socket = connect(Number(back.port), '127.0.0.1');
        socket.end(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
        await once(socket.resume(), 'close');
      }
      await comeBack(page);
    });
    assert.equal(thrown, undefined);
    assert.ok(tokens);
  });
});

describe('an MCP server that wants tokens', { timeout: 60_000 }, () => {
  async function loggedIn(server: ProtectedServer) {
    const credentials = memoryCredentials();
    const config = parseMcpServers({ web: configured(server) }).web;
    assert.ok(config);
    await loginToMcpServer({ server: 'web', config, credentials, open: comeBack });
    return credentials;
  }

  it('and takes none is asked a few times, and fails', async () => {
    await using server = await protectedServer();
    const credentials = await loggedIn(server);
    await using host = hostOf({ web: configured(server) }, { credentials });
    const tools = await host.tools(['web']);
    server.grants.length = 0;
    server.mischief = { isDeaf: true };
    await assert.rejects(call(tools, 'web__whoami'), { code: 'mcp_failed' });
    assert.ok(server.grants.length <= 2, server.grants.join());
  });

  it('wants a person again when it takes the refresh token no more', async () => {
    await using server = await protectedServer();
    const credentials = await loggedIn(server);
    await using host = hostOf({ web: configured(server) }, { credentials });
    const tools = await host.tools(['web']);
    server.forget();
    await assert.rejects(call(tools, 'web__whoami'), { code: 'mcp_failed', message: /log in/ });
    assert.equal((await credentials.load('web')).tokens, undefined);
  });

  it('whose authorization server is down for a while needs no person, and goes on', async () => {
    await using server = await protectedServer();
    const credentials = await loggedIn(server);
    await using host = hostOf({ web: configured(server) }, { credentials });
    const tools = await host.tools(['web']);
    for (const [answer, message] of [
      [{ status: 500, body: 'x' }, /gave no new token: HTTP 500/],
      [{ status: 429, body: '{"error":"slow_down"}' }, /slow_down/],
      [{ status: 200, body: '<html>' }, /gave no new token: what it answered is no JSON/],
      [{ status: 200, body: '{"access_token":"a\\r\\nb","token_type":"Bearer"}' }, /no request can carry/],
    ] as const) {
      server.expire();
      server.mischief = { tokenAnswer: answer };
      await assert.rejects(call(tools, 'web__whoami'), { code: 'mcp_failed', message });
      server.mischief = {};
      assert.equal(await call(tools, 'web__whoami'), 'you came with [redacted]');
    }
  });

  it('is not logged in to for ever: who waits for the browser can be stopped', async () => {
    await using server = await protectedServer();
    const config = parseMcpServers({ web: configured(server) }).web;
    assert.ok(config);
    const credentials = memoryCredentials();
    const stopping = new AbortController();
    const open = () => stopping.abort();
    const { signal } = stopping;
    await assert.rejects(loginToMcpServer({ server: 'web', config, credentials, open, signal }), {
      code: 'cancelled',
    });
  });

  it('and never answers a refresh fails the call in its time', async () => {
    await using server = await protectedServer();
    const credentials = await loggedIn(server);
    const web = { ...configured(server), callTimeoutMs: 500 };
    await using host = hostOf({ web }, { credentials });
    const tools = await host.tools(['web']);
    server.expire();
    server.mischief = { silent: ['/token'] };
    await assert.rejects(call(tools, 'web__whoami'), { code: 'timeout' });
  });
});
