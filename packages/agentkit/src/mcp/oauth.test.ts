import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { call, hostOf } from '../../test/mcp/hosting.ts';
import { type ProtectedServer, protectedServer } from '../../test/mcp/protected-server.ts';
import { fileCredentials, type McpCredentialStore, memoryCredentials } from './credentials.ts';
import { loginToMcpServer } from './login.ts';
import { type McpServerInput, parseMcpServers } from './mcp-config.ts';

const clientMetadataUrl = 'https://client.example/opspawn.json';
const configured = ({ url }: ProtectedServer): McpServerInput => ({ url, oauth: { clientMetadataUrl } });

/** As the browser of a person who agrees. */
async function agree(page: URL): Promise<void> {
  const { headers } = await fetch(page, { redirect: 'manual' });
  const back = await fetch(headers.get('location') ?? '');
  assert.match(await back.text(), /close this window/);
}

async function logIn(server: ProtectedServer, credentials: McpCredentialStore, open = agree): Promise<void> {
  const config = parseMcpServers({ web: configured(server) }).web;
  assert.ok(config);
  await loginToMcpServer({ server: 'web', config, credentials, open });
}

describe('MCP servers that want tokens', { timeout: 300_000 }, () => {
  it('get them after a person logged in, by a client metadata document and with PKCE', async () => {
    await using server = await protectedServer();
    const credentials = memoryCredentials();
    await using host = hostOf({ web: configured(server) }, { credentials });
    await assert.rejects(host.tools(['web']), {
      code: 'mcp_failed',
      message: /it wants a person to log in: opspawn mcp login web/,
    });
    const [{ state, restarts } = {}] = host.status();
    assert.deepEqual([state, restarts], ['failed', 0]);
    await logIn(server, credentials);
    assert.deepEqual(server.clients, [clientMetadataUrl]);
    assert.deepEqual(Object.keys(await host.tools(['web'])), ['web__whoami']);
    assert.equal(server.grants[0], 'authorization_code');
  });

  it('get new ones when the old ones are over, each refresh token used once', async () => {
    await using server = await protectedServer();
    const credentials = memoryCredentials();
    await logIn(server, credentials);
    await using host = hostOf({ web: configured(server) }, { credentials });
    const tools = await host.tools(['web']);
    for (let round = 1; round <= 3; round += 1) {
      server.expire();
      await Promise.all(Array.from({ length: 5 }, () => call(tools, 'web__whoami')));
    }
    assert.ok(server.grants.filter((grant) => grant === 'refresh_token').length >= 3);
    assert.deepEqual(server.refused, []);
  });

  it('never hand tokens on to models or logs', async () => {
    await using server = await protectedServer();
    const credentials = memoryCredentials();
    await logIn(server, credentials);
    await using host = hostOf({ web: configured(server) }, { credentials });
    assert.equal(await call(await host.tools(['web']), 'web__whoami'), 'you came with [redacted]');
    assert.doesNotMatch(JSON.stringify(host.log), /access-|refresh-/);
  });

  it('that are refused are told of in the log, by the name of their server', async () => {
    await using server = await protectedServer();
    const credentials = memoryCredentials();
    await logIn(server, credentials);
    const { tokens, ...kept } = await credentials.load('web');
    await credentials.save('web', { ...kept, tokens: { ...tokens, refresh_token: 'a-stolen-one' } });
    server.expire();
    await using host = hostOf({ web: configured(server) }, { credentials });
    await assert.rejects(host.tools(['web']), { code: 'mcp_failed' });
    const told = host.log.filter(({ source }) => source === 'host').map(({ line }) => line);
    assert.match(told.join('\n'), /OAuth "invalid_grant" — invalidating the stored tokens/);
  });

  it('need no person with client credentials', async () => {
    await using server = await protectedServer();
    const oauth = {
      grant: 'client_credentials' as const,
      clientId: 'machine',
      clientSecret: 'machine-secret-1',
      issuer: new URL(server.url).origin,
    };
    await using host = hostOf({ web: { url: server.url, oauth } });
    assert.equal(await call(await host.tools(['web']), 'web__whoami'), 'you came with [redacted]');
    assert.deepEqual(server.grants, ['client_credentials']);
  });

  it('are not believed when the browser comes back from another login', async () => {
    await using server = await protectedServer();
    const credentials = memoryCredentials();
    const forge = async (page: URL): Promise<void> => {
      const back = new URL(page.searchParams.get('redirect_uri') ?? '');
      back.search = 'code=stolen&state=guessed';
      await fetch(back);
    };
    await assert.rejects(logIn(server, credentials, forge), { code: 'permission_denied' });
    assert.equal((await credentials.load('web')).tokens, undefined);
  });

  it('keep them in files that their user alone can read', async () => {
    await using server = await protectedServer();
    const folder = join(await mkdtemp(join(tmpdir(), 'opspawn-tokens-')), 'kept');
    await logIn(server, fileCredentials(folder));
    assert.deepEqual(await readdir(folder), ['web.json']);
    const [file, directory] = [await stat(join(folder, 'web.json')), await stat(folder)];
    assert.deepEqual([file.mode & 0o777, directory.mode & 0o777], [0o600, 0o700]);
    assert.match(await readFile(join(folder, 'web.json'), 'utf8'), /access-/);
    await using host = hostOf({ web: configured(server) }, { credentials: fileCredentials(folder) });
    assert.deepEqual(Object.keys(await host.tools(['web'])), ['web__whoami']);
    await rm(folder, { recursive: true });
  });
});
