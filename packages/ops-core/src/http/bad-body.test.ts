import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { operations } from '@opspawn/sdk';
import {
  aTaskId,
  type BadRequestCase,
  body,
  raw,
  testBadRequests,
  writeRequest,
} from '../../test/bad-request.ts';
import { exchange, readAnswer, startServer, type TestServer } from '../../test/http.ts';

let server: TestServer;
before(async () => {
  server = await startServer();
});
after(() => server[Symbol.asyncDispose]());

const mebibyte = 1024 * 1024;
const signalPath = `/v1/tasks/${aTaskId}/signals`;
const nested = (depth: number) => `{"name":"a","input":${'['.repeat(depth)}${']'.repeat(depth)}}`;

const bodies: BadRequestCase[] = [
  ['no body', () => ({}), 400, 'invalid_argument', ''],
  ['malformed JSON', () => body('{"name":'), 400, 'invalid_argument', ''],
  ['a lone comma', () => body('{"name":"a",}'), 400, 'invalid_argument', ''],
  ['an unfinished string', () => body('{"name":"a'), 400, 'invalid_argument', ''],
  ['an unfinished escape', () => body('{"name":"a\\'), 400, 'invalid_argument', ''],
  ['two values', () => body('{"name":"a"}{"name":"b"}'), 400, 'invalid_argument', ''],
  ['a byte order mark', () => body('\ufeff{"name":"a"}'), 400, 'invalid_argument', ''],
  ['only white space', () => body('  \n'), 400, 'invalid_argument', ''],
  ['NaN', () => body('{"name":"a","input":NaN}'), 400, 'invalid_argument', ''],
  [
    'a number over all doubles',
    () => body('{"name":"a","input":{"b/c":[1e999]}}'),
    400,
    'invalid_argument',
    '/input/b~1c/0',
  ],
  ['null', () => body('null'), 400, 'invalid_argument', ''],
  ['an array', () => body('[]'), 400, 'invalid_argument', ''],
  ['a number', () => body('5'), 400, 'invalid_argument', ''],
  ['a missing field', () => body('{}'), 400, 'invalid_argument', '/name'],
  ['a wrong type', () => body('{"name":5}'), 400, 'invalid_argument', '/name'],
  ['a name with a slash', () => body('{"name":"a/b"}'), 400, 'invalid_argument', '/name'],
  ['an unknown field', () => body('{"name":"a","prio":1}'), 400, 'invalid_argument', '/prio'],
  [
    'an unknown nested field',
    () => body('{"name":"a","retry":{"max~Attempts":1}}'),
    400,
    'invalid_argument',
    '/retry/max~0Attempts',
  ],
  [
    'many unknown fields',
    () => body(`{${Array.from({ length: 90_000 }, (_, i) => `"x${i}":1`).join()}}`),
    400,
    'invalid_argument',
    '/name',
  ],
  [
    'a fraction for an integer',
    () => body('{"name":"a","priority":1.5}'),
    400,
    'invalid_argument',
    '/priority',
  ],
  ['a number out of range', () => body('{"name":"a","priority":10}'), 400, 'invalid_argument', '/priority'],
  [
    'a date that is none',
    () => body('{"name":"a","runAt":"2026-02-30T00:00:00Z"}'),
    400,
    'invalid_argument',
    '/runAt',
  ],
  [
    'a control character in a key',
    () => body('{"name":"a","sessionId":"a\\u0000"}'),
    400,
    'invalid_argument',
    '/sessionId',
  ],
  ['an unknown agent', () => body('{"name":"unknown"}'), 400, 'invalid_argument', '/name'],
  [
    '__proto__',
    () => body('{"name":"a","input":{"__proto__":{"x":1}}}'),
    400,
    'invalid_argument',
    '/input/__proto__',
  ],
  ['a key twice', () => body('{"name":"a","name":"b"}'), 400, 'invalid_argument', ''],
  [
    'a key twice, once escaped',
    () => body('{"name":"a","input":{"k":1,"\\u006b":2}}'),
    400,
    'invalid_argument',
    '',
  ],
  ['a lone surrogate', () => body('{"name":"a","input":["\\ud800"]}'), 400, 'invalid_argument', '/input/0'],
  [
    'a lone surrogate in a key',
    () => body('{"name":"a","input":{"\\udc00":1}}'),
    400,
    'invalid_argument',
    '/input',
  ],
  ['invalid UTF-8', () => body(Buffer.from('{"name":"\xff"}', 'latin1')), 400, 'invalid_argument', ''],
  ['overlong UTF-8', () => body(Buffer.from('{"name":"\xc0\xaf"}', 'latin1')), 400, 'invalid_argument', ''],
  [
    'a surrogate in UTF-8',
    () => body(Buffer.from('{"name":"\xed\xa0\x80"}', 'latin1')),
    400,
    'invalid_argument',
    '',
  ],
  [
    'a cut UTF-8 character',
    () => body(Buffer.from('{"name":"\xe2\x82', 'latin1')),
    400,
    'invalid_argument',
    '',
  ],
  ['UTF-16', () => body(Buffer.from('{"name":"a"}', 'utf16le')), 400, 'invalid_argument', ''],
  ['deep nesting', () => body(nested(101)), 400, 'invalid_argument', ''],
  ['very deep nesting', () => body(nested(200_000)), 400, 'invalid_argument', ''],
  [
    'a body over the limit',
    () => ({ path: signalPath, ...body(`{"name":"a","data":"${'x'.repeat(mebibyte)}"}`) }),
    413,
    'payload_too_large',
  ],
  [
    'a body that says it is over the limit',
    () =>
      raw(
        `POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{`,
      ),
    413,
    'payload_too_large',
  ],
  [
    'a chunked body over the limit',
    () =>
      raw(
        `POST ${signalPath} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n110000\r\n${' '.repeat(0x110000)}\r\n0\r\n\r\n`,
      ),
    413,
    'payload_too_large',
  ],
  ['plain text', () => ({ body: '{"name":"a"}', contentType: 'text/plain' }), 415, 'unsupported_media_type'],
  [
    'a form',
    () => ({ body: 'name=a', contentType: 'application/x-www-form-urlencoded' }),
    415,
    'unsupported_media_type',
  ],
  ['no media type', () => ({ body: '{"name":"a"}', contentType: null }), 415, 'unsupported_media_type'],
  [
    'a broken media type',
    () => ({ body: '{"name":"a"}', contentType: ';;/' }),
    415,
    'unsupported_media_type',
  ],
  [
    'another charset',
    () => ({ body: '{"name":"a"}', contentType: 'application/json; charset=latin1' }),
    415,
    'unsupported_media_type',
  ],
  [
    'a compressed body',
    () => ({ body: '{"name":"a"}', headers: ['Content-Encoding: gzip'] }),
    415,
    'unsupported_media_type',
  ],
  [
    'two idempotency keys that differ',
    () => ({ body: '{"name":"a","idempotencyKey":"k"}', headers: ['Idempotency-Key: l'] }),
    400,
    'invalid_argument',
    '/idempotency-key',
  ],
  [
    'an idempotency key twice',
    () => ({ body: '{"name":"a"}', headers: ['Idempotency-Key: l', 'Idempotency-Key: l'] }),
    400,
    'invalid_argument',
    '/idempotency-key',
  ],
  [
    'an idempotency key beyond ASCII',
    () => ({ body: '{"name":"a"}', headers: ['Idempotency-Key: \xfc'] }),
    400,
    'invalid_argument',
    '/idempotency-key',
  ],
  [
    'an idempotency key for a batch',
    () => ({ path: '/v1/tasks/batch', body: '{"tasks":[{"name":"a"}]}', headers: ['Idempotency-Key: l'] }),
    400,
    'invalid_argument',
    '/idempotency-key',
  ],
  [
    'both names of one field that differ',
    () => body('{"name":"a","injectMcpProxy":true,"inject_mcp_proxy":false}'),
    400,
    'invalid_argument',
    '/inject_mcp_proxy',
  ],
  [
    'an empty batch',
    () => ({ path: '/v1/tasks/batch', body: '{"tasks":[]}' }),
    400,
    'invalid_argument',
    '/tasks',
  ],
  [
    'one invalid task in a batch',
    () => ({ path: '/v1/tasks/batch', body: '{"tasks":[{"name":"a"},{"name":""}]}' }),
    400,
    'invalid_argument',
    '/tasks/1/name',
  ],
  [
    'one unknown agent in a batch',
    () => ({ path: '/v1/tasks/batch', body: '{"tasks":[{"name":"a"},{"name":"unknown"}]}' }),
    400,
    'invalid_argument',
    '/tasks/1/name',
  ],
  [
    'too big a batch',
    () => ({ path: '/v1/tasks/batch', body: JSON.stringify({ tasks: Array(10_001).fill({ name: 'a' }) }) }),
    400,
    'invalid_argument',
    '/tasks',
  ],
  [
    'an unknown resolution',
    () => ({ path: `/v1/tasks/${aTaskId}/resolutions`, body: '{"step":"a","action":"guess"}' }),
    400,
    'invalid_argument',
    '/action',
  ],
  [
    'a decision without a word',
    () => ({ path: `/v1/tasks/${aTaskId}/decisions`, body: '{"step":"a"}' }),
    400,
    'invalid_argument',
    '/action',
  ],
  [
    'a body where none is taken',
    () => ({ path: `/v1/tasks/${aTaskId}/retry`, body: '{"reason":"again"}' }),
    400,
    'invalid_argument',
    '',
  ],
];

testBadRequests(() => server, bodies);

test('a client that writes its whole request before it reads finds the answer', async () => {
  const big = `{"name":"a","data":"${'x'.repeat(32 * mebibyte)}"}`;
  const wrong = [
    [{ path: signalPath, body: big }, 413],
    [{ path: signalPath, body: big, contentType: 'text/plain' }, 413],
    [{ path: signalPath, body: big, host: 'elsewhere' }, 403],
  ] as const;
  for (const [request, status] of wrong) {
    const socket = connect(server.port, '127.0.0.1');
    const failed = await new Promise((done) => socket.write(writeRequest(server.port, request), done));
    assert.ifError(failed);
    assert.equal(readAnswer(await text(socket)).status, status);
  }
});

test('a body over the limit is told the limit', async () => {
  const places = [
    [signalPath, operations['tasks.signal'].body.limitBytes],
    ['/v1/tasks', operations['tasks.create'].body.limitBytes],
  ] as const;
  for (const [path, limitBytes] of places) {
    const request = { path, body: `{"name":"${'x'.repeat(limitBytes)}"}` };
    const { detail, details } = JSON.parse(
      readAnswer(await exchange(server.port, writeRequest(server.port, request))).body,
    );
    assert.deepEqual([detail, details], [`The body is over ${limitBytes} bytes`, { limitBytes }]);
  }
});

test('after all of that nothing was made and the server answers', async () => {
  assert.deepEqual(await server.client.tasks.list(), { items: [] });
  const good = body('{"name":"a","input":{"\\u0000":"\\ud83d\\ude00","constructor":{"prototype":1}}}');
  const answer = readAnswer(await exchange(server.port, writeRequest(server.port, good)));
  assert.equal(answer.status, 201);
  assert.deepEqual(JSON.parse(answer.body).input, { '\0': '😀', constructor: { prototype: 1 } });
});
