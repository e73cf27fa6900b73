/** Requests that are wrong on purpose, and what every answer to one must be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, problemSchema } from '@opspawn/sdk';
import { exchange, readAnswer, type TestServer } from './http.ts';

export interface BadRequest {
  method?: string;
  path?: string;
  headers?: readonly string[];
  body?: string | Buffer;
  /** Instead of JSON; null for none. */
  contentType?: string | null;
  /** Instead of the server's own; null for none. */
  host?: string | null;
}

/** Name, request, expected status and code, expected path of the first error. */
export type BadRequestCase = readonly [string, () => BadRequest | Buffer, number, ErrorCode, string?];

export const aTaskId = '0197a3c2-7d1e-7b3a-9a55-3f0c2f6f8a01';

export const get = (path: string, headers: readonly string[] = []): BadRequest => ({
  method: 'GET',
  path,
  headers,
});

export const body = (text: string | Buffer): BadRequest => ({ body: text });

export const raw = (text: string): Buffer => Buffer.from(text, 'latin1');

export function writeRequest(port: number, request: BadRequest): Buffer {
  const bytes = Buffer.from(request.body ?? '');
  const contentType = request.contentType === undefined ? 'application/json' : request.contentType;
  const lines = [
    `${request.method ?? 'POST'} ${request.path ?? '/v1/tasks'} HTTP/1.1`,
    ...(request.host === null ? [] : [`Host: ${request.host ?? `127.0.0.1:${port}`}`]),
    'Connection: close',
    ...(bytes.length === 0 || contentType === null ? [] : [`Content-Type: ${contentType}`]),
    ...(bytes.length === 0 ? [] : [`Content-Length: ${bytes.length}`]),
    ...(request.headers ?? []),
  ];
  return Buffer.concat([raw(`${lines.join('\r\n')}\r\n\r\n`), bytes]);
}

/** One test per case, each over a connection of its own. */
export function testBadRequests(server: () => TestServer, cases: readonly BadRequestCase[]): void {
  for (const [name, request, status, code, path] of cases) {
    test(`${name} is ${status} ${code}`, async () => {
      const { port } = server();
      const wrong = request();
      const bytes = Buffer.isBuffer(wrong) ? wrong : writeRequest(port, wrong);
      const answer = readAnswer(await exchange(port, bytes));
      assert.equal(
        answer.headers.get('content-type'),
        'application/problem+json; charset=utf-8',
        answer.body,
      );
      const problem = problemSchema.parse(JSON.parse(answer.body));
      assert.deepEqual([answer.status, problem.status, problem.code], [status, status, code], answer.body);
      assert.equal(problem.type, `urn:opspawn:error:${code}`);
      assert.equal(problem.requestId, answer.headers.get('x-request-id'));
      assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
      assert.equal(answer.headers.has('allow'), status === 405);
      if (path !== undefined) assert.equal(problem.errors?.[0]?.path, path, answer.body);
      assert.doesNotMatch(answer.body, /\.ts|node_modules|FST_|at \w+ \(/);
    });
  }
}
