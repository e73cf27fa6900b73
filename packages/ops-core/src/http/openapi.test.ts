import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { errorCodes, errorsOf, type Operation, operations } from '@opspawn/sdk';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { startServer, type TestServer, untilEnd, untilStatus } from '../../test/http.ts';

/** JSON that is looked into by name. */
interface Tree {
  [key: string]: Tree;
}

let server: TestServer;
let document: Tree;
before(async () => {
  server = await startServer();
  document = (await (await fetch(`${server.url}/openapi.json`)).json()) as Tree;
});
after(() => server[Symbol.asyncDispose]());

/** Every operation of the document: route, description. */
const described = () =>
  Object.entries(document.paths ?? {}).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );

const nameOf = (reference: unknown): string => String(reference).split('/').at(-1) ?? '';

/** A task that an operation of this path can be done to. */
async function makeTaskFor(path: string): Promise<string> {
  const { tasks } = server.client;
  if (path.endsWith('/decisions')) {
    const { id } = await tasks.create({ name: 'ask' });
    await untilStatus(server.client, id, 'waiting');
    return id;
  }
  const { id } = await tasks.create({ name: 'a' });
  if (path.endsWith('/resume')) {
    await tasks.pause(id);
    await untilStatus(server.client, id, 'paused');
  }
  if (path.endsWith('/events')) await server.order(id, { end: 'done' });
  if (!path.endsWith('/retry')) return id;
  await server.order(id, { fail: 'as told' });
  await untilEnd(server.client, id);
  return id;
}

test('the document is valid OpenAPI 3.1', async () => {
  const result = await new Validator().validate({ ...document });
  assert.deepEqual(result, { valid: true });
  assert.match(String(document.openapi), /^3\.1\./);
});

test('every tag says what it is for, and has operations', () => {
  const told = Object.values(document.tags ?? {}).map(({ name }) => String(name));
  const used = described().flatMap(({ operation }) => Object.values(operation.tags ?? {}).map(String));
  assert.deepEqual(told.sort(), [...new Set(used)].sort());
});

test('no schema is an intersection, of which generators of clients make nothing', () => {
  assert.doesNotMatch(JSON.stringify(document), /"allOf"/);
});

test('document, table and routes have the same operations', () => {
  const table = Object.values<Operation>(operations);
  const inTable = table.map(({ method, path }) => `${method} ${path}`).sort();
  const inDocument = described().map(({ method, path }) => `${method} ${path}`);
  assert.deepEqual(inDocument.sort(), inTable);
  const routes = server.app.printRoutes({ commonPrefix: false, includeHooks: false });
  const served = [...routes.matchAll(/(\/\S*) \(([A-Z, ]+)\)/g)];
  const expected = [
    ...table.flatMap(({ method, path, aliases = [] }) =>
      [path, ...aliases].map((url) => [method, url] as const),
    ),
    ['GET', '/openapi.json'] as const,
  ];
  for (const [method, path] of expected) {
    assert.ok(
      server.app.hasRoute({ method, url: path.replaceAll(/\{(\w+)\}/g, ':$1') }),
      `${method} ${path}`,
    );
  }
  const count = served
    .flatMap(([, , methods = '']) => methods.split(', '))
    .filter((method) => method !== 'HEAD').length;
  assert.equal(count, expected.length, routes);
});

test('every operation lists every error that it can answer with, and an example of each', () => {
  for (const operation of Object.values<Operation>(operations)) {
    const responses = document.paths?.[operation.path]?.[operation.method.toLowerCase()]?.responses;
    for (const code of errorsOf(operation)) {
      const reference = responses?.[errorCodes[code].http]?.$ref;
      const response = document.components?.responses?.[nameOf(reference)];
      const problem = response?.content?.['application/problem+json'];
      assert.equal(problem?.examples?.[code]?.value?.code, code, `${operation.rpc} ${code}`);
      assert.ok(response?.headers?.['x-request-id']);
    }
  }
});

test('requests made of the document alone get answers that it describes', async () => {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(document, 'document');
  const validate = (schema: unknown, value: unknown, what: string) => {
    const text = JSON.stringify(schema).replaceAll('"#/components', '"document#/components');
    const check = ajv.compile(JSON.parse(text));
    assert.ok(check(value), `${what}: ${ajv.errorsText(check.errors)}`);
  };
  for (const { method, path, operation } of described()) {
    const id = await makeTaskFor(path);
    const bodySchema = operation.requestBody?.content?.['application/json']?.schema;
    const example: unknown = document.components?.schemas?.[nameOf(bodySchema?.$ref)]?.examples?.[0];
    if (bodySchema !== undefined) validate(bodySchema, example, `${path} request`);
    const place = path.replace('{taskId}', id).replaceAll(/\{\w+\}/g, 'one');
    const answer = await fetch(server.url + place, {
      method,
      ...(example === undefined
        ? {}
        : { body: JSON.stringify(example), headers: { 'content-type': 'application/json' } }),
    });
    const described = operation.responses?.[answer.status];
    const response = document.components?.responses?.[nameOf(described?.$ref)] ?? described;
    assert.ok(response !== undefined, `${method} ${path}: ${answer.status}`);
    // Nothing is in doubt here, so that there is nothing to resolve.
    if (!path.endsWith('/resolutions'))
      assert.ok(answer.ok, `${method} ${path}: ${await answer.clone().text()}`);
    else assert.equal(answer.status, 404);
    const [mediaType = ''] = (answer.headers.get('content-type') ?? '').split(';');
    for (const header of Object.keys(response.headers ?? {}))
      assert.ok(answer.headers.has(header), `${path} ${header}`);
    const text = await answer.text();
    if (mediaType === '') assert.equal(response.content, undefined);
    else assert.ok(response.content?.[mediaType], `${method} ${path}: ${mediaType}`);
    if (mediaType !== 'application/json') continue;
    validate(response.content?.[mediaType]?.schema, JSON.parse(text), `${method} ${path}`);
  }
});

test('every event of a stream is as x-event-schemas says', async () => {
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv);
  ajv.addSchema(document, 'document');
  const schemas =
    document.paths?.['/v1/tasks/{taskId}/events']?.get?.responses?.[200]?.content?.['text/event-stream']?.[
      'x-event-schemas'
    ];
  server.followed.live = [{ type: 'text.delta', turn: 1, text: 'hi' }];
  const { id } = await server.client.tasks.create({ name: 'a' });
  const seen = new Set<string>();
  for await (const { type, data } of server.client.tasks.watch(id)) {
    seen.add(type);
    const text = JSON.stringify(schemas?.[type]).replaceAll('"#/components', '"document#/components');
    assert.ok(ajv.validate(JSON.parse(text), data), `${type}: ${ajv.errorsText()}`);
    if (type === 'status' && data.status === 'waiting') await server.order(id, { end: 'done' });
  }
  assert.deepEqual([...seen].sort(), Object.keys(schemas ?? {}).sort());
});
