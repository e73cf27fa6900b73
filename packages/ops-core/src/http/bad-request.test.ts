import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { problemSchema } from '@opspawn/sdk';
import { aTaskId, type BadRequestCase, get, raw, testBadRequests } from '../../test/bad-request.ts';
import { readAnswer, startServer, type TestServer } from '../../test/http.ts';

let server: TestServer;
before(async () => {
  server = await startServer();
});
after(() => server[Symbol.asyncDispose]());

const targets: BadRequestCase[] = [
  ['an unknown path', () => get('/v2/tasks'), 404, 'not_found'],
  ['a path with a slash too many', () => get('/v1/tasks/'), 400, 'invalid_argument', '/taskId'],
  ['the root', () => get('/'), 404, 'not_found'],
  ['a path up and away', () => get('/v1/../../etc/passwd'), 404, 'not_found'],
  ['a path with a broken percent sign', () => get('/v1/tasks/%zz'), 400, 'invalid_argument', ''],
  ['a path in invalid UTF-8', () => get('/v1/tasks/%ff'), 400, 'invalid_argument', ''],
  ['a very long id', () => get(`/v1/tasks/${'a'.repeat(2000)}`), 400, 'invalid_argument'],
  ['an id beyond all ids', () => get(`/v1/tasks/${'a'.repeat(3000)}`), 400, 'invalid_argument', ''],
  ['an id that is no UUID', () => get('/v1/tasks/17'), 400, 'invalid_argument', '/taskId'],
  ['an id of a task that is not there', () => get(`/v1/tasks/${aTaskId}`), 404, 'not_found'],
  ['events of a task that is not there', () => get(`/v1/tasks/${aTaskId}/events`), 404, 'not_found'],
  ['a wrong method', () => ({ method: 'DELETE', path: '/v1/tasks' }), 405, 'method_not_allowed'],
  [
    'a wrong method on an alias',
    () => ({ method: 'PATCH', path: '/api/v1/tasks' }),
    405,
    'method_not_allowed',
  ],
  ['a rare method', () => ({ method: 'PROPFIND', path: `/v1/tasks/${aTaskId}` }), 405, 'method_not_allowed'],
  ['a preflight', () => ({ method: 'OPTIONS', path: '/v1/tasks' }), 405, 'method_not_allowed'],
  [
    'a look at the head of events',
    () => ({ method: 'PUT', path: `/v1/tasks/${aTaskId}/events` }),
    405,
    'method_not_allowed',
  ],
  ['an unknown filter', () => get('/v1/tasks?foo=1'), 400, 'invalid_argument', '/foo'],
  ['a filter twice', () => get('/v1/tasks?limit=1&limit=1'), 400, 'invalid_argument', '/limit'],
  ['a limit of 0', () => get('/v1/tasks?limit=0'), 400, 'invalid_argument', '/limit'],
  [
    'a limit beyond all numbers',
    () => get(`/v1/tasks?limit=${'9'.repeat(400)}`),
    400,
    'invalid_argument',
    '/limit',
  ],
  ['a limit that is no number', () => get('/v1/tasks?limit=1e1'), 400, 'invalid_argument', '/limit'],
  ['an empty limit', () => get('/v1/tasks?limit='), 400, 'invalid_argument', '/limit'],
  ['an unknown status', () => get('/v1/tasks?status=pending,done'), 400, 'invalid_argument', '/status/1'],
  ['a bad cursor', () => get('/v1/tasks?cursor=xyz'), 400, 'invalid_argument', '/cursor'],
  ['a query with a broken percent sign', () => get('/v1/tasks?name=%'), 400, 'invalid_argument', '/name'],
  ['a query in invalid UTF-8', () => get('/v1/tasks?name=%ff'), 400, 'invalid_argument', '/name'],
  ['__proto__ as a filter', () => get('/v1/tasks?__proto__=1'), 400, 'invalid_argument', '/__proto__'],
  ['a query where none is taken', () => get('/health?a=1'), 400, 'invalid_argument', '/a'],
  [
    'a broken Last-Event-ID',
    () => get(`/v1/tasks/${aTaskId}/events`, ['Last-Event-ID: x']),
    400,
    'invalid_argument',
    '/last-event-id',
  ],
  ['a negative seq', () => get(`/v1/tasks/${aTaskId}/journal?after=-1`), 400, 'invalid_argument', '/after'],
];

const connections: BadRequestCase[] = [
  ['not HTTP', () => raw('hello\r\n\r\n'), 400, 'invalid_argument'],
  ['a TLS hello', () => raw('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'), 400, 'invalid_argument'],
  ['an unknown method', () => raw('FOO / HTTP/1.1\r\nHost: localhost\r\n\r\n'), 400, 'invalid_argument'],
  [
    'a tunnel',
    () => raw('CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    400,
    'invalid_argument',
  ],
  ['an unknown version', () => raw('GET / HTTP/9.9\r\nHost: localhost\r\n\r\n'), 400, 'invalid_argument'],
  [
    'a header without a colon',
    () => raw('GET / HTTP/1.1\r\nHost: localhost\r\nfoo\r\n\r\n'),
    400,
    'invalid_argument',
  ],
  [
    'a null in a header',
    () => raw('GET / HTTP/1.1\r\nHost: localhost\r\nA: \0\r\n\r\n'),
    400,
    'invalid_argument',
  ],
  [
    'a length and chunks',
    () =>
      raw(
        'POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      ),
    400,
    'invalid_argument',
  ],
  [
    'two lengths',
    () =>
      raw('POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'),
    400,
    'invalid_argument',
  ],
  [
    'a negative length',
    () => raw('POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n'),
    400,
    'invalid_argument',
  ],
  [
    'a broken chunk',
    () =>
      raw(
        'POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      ),
    400,
    'invalid_argument',
  ],
  [
    'headers over the limit',
    () => get('/health', [`X-Big: ${'x'.repeat(20_000)}`]),
    431,
    'payload_too_large',
  ],
  ['a URL over the limit', () => get(`/health?${'x'.repeat(20_000)}`), 431, 'payload_too_large'],
  ['no Host', () => ({ ...get('/health'), host: null }), 403, 'permission_denied'],
  ['two Hosts', () => get('/health', ['Host: localhost']), 403, 'permission_denied'],
  ['a foreign Host', () => ({ ...get('/health'), host: 'evil.example' }), 403, 'permission_denied'],
  [
    'a Host that looks like ours',
    () => ({ ...get('/health'), host: 'localhost.evil.example:80' }),
    403,
    'permission_denied',
  ],
  ['a foreign Origin', () => get('/v1/tasks', ['Origin: https://evil.example']), 403, 'permission_denied'],
  [
    'the Origin of another port',
    () => get('/v1/tasks', ['Origin: http://127.0.0.1:1']),
    403,
    'permission_denied',
  ],
  ['the Origin null', () => get('/v1/tasks', ['Origin: null']), 403, 'permission_denied'],
  [
    'a foreign Origin for a path that is not there',
    () => get('/nowhere', ['Origin: null']),
    403,
    'permission_denied',
  ],
];

testBadRequests(() => server, [...targets, ...connections]);

test('after all of that the server answers', async () => {
  assert.deepEqual(await server.client.service.health(), { status: 'ok' });
});

test('a request that comes in too slowly is 408', async () => {
  await using slow = await startServer({ requestTimeoutMs: 50 });
  const socket = connect(slow.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write('POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\n');
  const { status, body: problem } = readAnswer(await text(socket));
  assert.deepEqual([status, problemSchema.parse(JSON.parse(problem)).code], [408, 'timeout']);
});
