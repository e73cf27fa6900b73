import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { describe, it } from 'node:test';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { fetchOverHttp } from './fetch-over-http.ts';

async function serve(listener: (...of: Parameters<RequestListener>) => unknown) {
  const server = createServer((request, response) => void listener(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A server that sends this beginning of an answer, and leaves the rest to the test. */
async function serveSlowly(beginning: string) {
  const answers = Promise.withResolvers<ServerResponse>();
  const server = await serve((_request, response) => {
    response.write(beginning);
    answers.resolve(response);
  });
  return { ...server, answer: answers.promise };
}

const post = (url: string, init: RequestInit = {}) => fetchOverHttp(url, { method: 'POST', ...init });
const abortListeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

describe('fetch over http', () => {
  it('sends a text or bytes with their headers, and gives what is answered', async () => {
    await using server = await serve(async (request, response) => {
      const body = (await request.toArray()).join('');
      const { method, headers } = request;
      response.writeHead(429, 'Slow down', { 'x-a': ['1', '2'], 'retry-after': '7' });
      response.end(
        JSON.stringify({ method, body, length: headers['content-length'], key: headers['x-key'] }),
      );
    });
    for (const body of ['a ☃', Buffer.from('a ☃')]) {
      const response = await post(server.url, { body, headers: { 'X-Key': 'k' } });
      assert.deepEqual([response.ok, response.status, response.statusText], [false, 429, 'Slow down']);
      assert.deepEqual([response.headers.get('x-a'), response.headers.get('retry-after')], ['1, 2', '7']);
      assert.deepEqual(await response.json(), { method: 'POST', body: 'a ☃', length: '5', key: 'k' });
    }
  });

  it('uses a connection again, and leaves nothing at the signal', async () => {
    const sockets = new Set<Socket>();
    await using server = await serve((request, response) => {
      sockets.add(request.socket);
      response.end('{}');
    });
    const { signal } = new AbortController();
    for (let call = 0; call < 5; call += 1) {
      await (await post(server.url, { body: '{}', signal })).text();
      await new Promise(setImmediate);
    }
    assert.deepEqual([sockets.size, abortListeners(signal)], [1, 0]);
  });

  it('gives the parts of a stream as they come, and hangs up on one that nobody reads on', async () => {
    await using server = await serveSlowly('one');
    const response = await post(server.url, { body: '{}' });
    const reader = response.body?.getReader();
    const read = async () => Buffer.from((await reader?.read())?.value ?? []).toString();
    assert.equal(await read(), 'one');
    const answer = await server.answer;
    answer.write('two');
    assert.equal(await read(), 'two');
    await Promise.all([once(answer, 'close'), reader?.cancel()]);
    assert.equal(answer.writableFinished, false);
  });

  it('takes no more than is read', async () => {
    await using server = await serveSlowly('x');
    const response = await post(server.url, { body: '{}' });
    const answer = await server.answer;
    const chunk = Buffer.alloc(1 << 20);
    for (let sent = 0; sent < 64; sent += 1) answer.write(chunk);
    answer.end();
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.ok(answer.writableLength > 32 * chunk.length, `${answer.writableLength} bytes wait`);
    assert.equal((await response.arrayBuffer()).byteLength, 64 * chunk.length + 1);
  });

  it('follows a redirect within its host, and takes the key to no other', async () => {
    const keys: unknown[] = [];
    await using other = await serve((request, response) => {
      keys.push(request.headers['x-api-key']);
      response.end('{}');
    });
    await using server = await serve(({ url, headers }, response) => {
      const location = { '/v1': '/v2', '/away': other.url, '/round': '/round' }[String(url)];
      if (location !== undefined) return response.writeHead(307, { location }).end();
      return response.end(`${url} ${headers['x-api-key']}`);
    });
    const init = { body: '{}', headers: { 'x-api-key': 'k' } };
    assert.equal(await (await post(server.url, init)).text(), '/v2 k');
    const messages = {
      '/away': /redirects to .*, which is not given the key/,
      '/round': /more than 5 redirects/,
    };
    for (const [path, message] of Object.entries(messages))
      await assert.rejects(post(new URL(path, server.url).href, init), (thrown: TypeError) => {
        assert.match(String(thrown.cause), message);
        return thrown.message === 'fetch failed';
      });
    assert.deepEqual(keys, []);
  });

  it('breaks off an answer that is larger than any, also one that was small while it was packed', async () => {
    const packed = zstdCompressSync(Buffer.alloc(101 * 1024 * 1024));
    await using server = await serve((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'zstd' });
      response.end(packed);
    });
    const response = await post(server.url, { body: '{}' });
    await assert.rejects(response.text(), (thrown: TypeError) => {
      assert.match(String(thrown.cause), /the answer has more than 104857600 bytes/);
      return thrown.message === 'terminated';
    });
  });

  it('rejects with the reason of the signal: before, while it waits, and in the middle of a body', async () => {
    await using silent = await serve(() => {});
    await using server = await serveSlowly('half');
    const reason = new Error('enough');
    await assert.rejects(post(silent.url, { body: '', signal: AbortSignal.abort(reason) }), reason);
    for (const url of [silent.url, server.url]) {
      const aborting = new AbortController();
      const reading = post(url, { body: '', signal: aborting.signal }).then((response) => response.text());
      await new Promise((resolve) => setTimeout(resolve, 50));
      aborting.abort(reason);
      await assert.rejects(reading, reason);
    }
  });

  it('says what failed as fetch does, with the cause', async () => {
    const server = await serve(() => {});
    await server[Symbol.asyncDispose]();
    const refused = { name: 'TypeError', message: 'fetch failed', cause: { code: 'ECONNREFUSED' } };
    await assert.rejects(post(server.url, { body: '{}' }), (thrown: TypeError) => {
      const { name, message, cause } = thrown;
      assert.deepEqual({ name, message, cause: { code: (cause as { code: string }).code } }, refused);
      return true;
    });
    await using rude = await serve((request) => request.socket.end('not HTTP at all\r\n\r\n'));
    await assert.rejects(post(rude.url, { body: '{}' }), /fetch failed/);
    await using cutting = await serveSlowly('half');
    const response = await post(cutting.url, { body: '{}' });
    (await cutting.answer).destroy();
    await assert.rejects(response.text(), { name: 'TypeError', message: 'terminated' });
  });

  it('decodes what was encoded without being asked for', async () => {
    const encoders = { gzip: gzipSync, br: brotliCompressSync, zstd: zstdCompressSync };
    for (const [encoding, encode] of Object.entries(encoders)) {
      await using server = await serve((_request, response) => {
        response.writeHead(200, { 'content-encoding': encoding });
        response.end(encode('{"a":1}'));
      });
      assert.deepEqual(await (await post(server.url, { body: '{}' })).json(), { a: 1 });
    }
    await using broken = await serve((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' });
      response.end('{"a":1}');
    });
    const response = await post(broken.url, { body: '{}' });
    await assert.rejects(response.text(), { message: 'terminated' });
  });

  it('has an answer without a body, and follows one that leads elsewhere', async () => {
    await using server = await serve(async (request, response) => {
      if (request.url === '/v1') response.writeHead(307, { location: '/v2' }).end();
      else response.writeHead(request.url === '/v2' ? 200 : 204).end((await request.toArray()).join(''));
    });
    assert.equal(await (await post(server.url, { body: 'again' })).text(), 'again');
    const empty = await post(`${server.url}/none`);
    assert.deepEqual([empty.status, empty.body], [204, null]);
  });

  it('leaves everything to a fetch that somebody has put in place of the global one', async (t) => {
    const mine = async (_url: string, { body }: RequestInit) => new Response(`mine ${JSON.stringify(body)}`);
    t.mock.method(globalThis, 'fetch', mine);
    for (const body of ['☃', Buffer.from('☃')])
      assert.equal(await (await post('http://127.0.0.1:1/', { body })).text(), 'mine "☃"');
  });
});
