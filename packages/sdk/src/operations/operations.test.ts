import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { z } from 'zod';
import { errorsOf, type Operation } from './operation.ts';
import { operations } from './operations.ts';

const table = Object.entries<Operation>(operations);

test('no two operations share a route or an RPC name', () => {
  const routes = table.flatMap(([, { method, path, aliases = [] }]) =>
    [path, ...aliases].map((url) => `${method} ${url.replaceAll(/\{\w+\}/g, '{}')}`),
  );
  assert.equal(new Set(routes).size, routes.length);
  const names = table.map(([, { rpc }]) => rpc.toLowerCase());
  assert.equal(new Set(names).size, names.length);
});

test('an operation names its path parameters, and takes a query or a body but not both', () => {
  for (const [id, { path, params, query, body, method }] of table) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    assert.deepEqual(Object.keys(params?.shape ?? {}), inPath, id);
    assert.ok(query === undefined || body === undefined, id);
    assert.ok(body === undefined || ['POST', 'PUT', 'PATCH'].includes(method), id);
  }
});

test('an operation on a task can be not_found, and lists no error twice', () => {
  for (const [id, operation] of table) {
    const errors = errorsOf(operation);
    assert.equal(new Set(errors).size, errors.length, id);
    if (operation.path.includes('{taskId}')) assert.ok(errors.includes('not_found'), id);
  }
});

test('every example is valid', () => {
  let count = 0;
  const check = (id: string, schema: z.ZodType | undefined) => {
    for (const example of (schema?.meta()?.examples as unknown[] | undefined) ?? []) {
      count++;
      assert.equal(schema?.safeParse(example).error, undefined, id);
    }
  };
  for (const [id, { body, success }] of table) {
    check(id, body?.schema);
    if (success.kind === 'json') check(id, success.schema);
    if (success.kind === 'events') for (const schema of Object.values(success.events)) check(id, schema);
  }
  assert.ok(count > 15, `${count} examples`);
});

test('unknown fields of a request are refused wherever it has fields', () => {
  for (const [id, { query, body }] of table) {
    for (const schema of [query, body?.schema]) {
      if (schema === undefined) continue;
      const issues = schema.safeParse({ surprise: 1, action: 'retry' }).error?.issues ?? [];
      const isRefused = issues.some(
        (issue) => issue.code === 'unrecognized_keys' || issue.code === 'invalid_union',
      );
      assert.ok(isRefused, id);
    }
  }
});
