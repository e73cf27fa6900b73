import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpspawnError } from '@opspawn/sdk';
import { startServer } from '../../test/http.ts';
import type { Engine } from '../tasks/engine-interface.ts';
import { isLoopback } from './guard.ts';
import { createHttpServer, listen } from './server.ts';

const isConfigInvalid = (error: unknown) => error instanceof OpspawnError && error.code === 'config_invalid';

test('without keys the server listens on loopback only', async () => {
  await using server = await startServer();
  for (const host of ['0.0.0.0', '::', '192.168.0.1', 'example.com', '', '127.0.0.1.example.com']) {
    await assert.rejects(listen(server.app, { host, port: 0 }), isConfigInvalid, host);
  }
  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '::1']) assert.ok(isLoopback(host));
});

test('a port that is taken is an error of the configuration', async () => {
  await using server = await startServer();
  const app = createHttpServer({ engine: {} as Engine });
  await assert.rejects(listen(app, { host: '127.0.0.1', port: server.port }), isConfigInvalid);
  await app.close();
});

test('programs of this host and pages of this server may ask', async () => {
  await using server = await startServer();
  const { port } = server;
  for (const host of ['localhost', `LOCALHOST:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`]) {
    for (const headers of [{ host }, { host, origin: `http://${host.toLowerCase()}` }]) {
      const { statusCode } = await server.app.inject({ url: '/health', headers });
      assert.equal(statusCode, 200, JSON.stringify(headers));
    }
  }
});

test('every answer tells the browser to do nothing with it', async () => {
  await using server = await startServer();
  for (const path of ['/health', '/v1/tasks', '/openapi.json', '/nowhere', '/v1/tasks/%zz']) {
    const { headers } = await fetch(server.url + path);
    assert.equal(headers.get('x-content-type-options'), 'nosniff', path);
    assert.equal(headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'", path);
    assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin', path);
    assert.equal(headers.get('access-control-allow-origin'), null, path);
    assert.match(headers.get('x-request-id') ?? '', /./, path);
  }
});
