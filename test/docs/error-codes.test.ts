import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { errorCodes } from '../../packages/agentkit/src/error-codes.ts';

const page = new URL('../../ops-docs/reference/error-codes.md', import.meta.url);

test('the page on error codes lists every code with its numbers, and no other', async () => {
  const text = await readFile(page, 'utf8');
  const rows = [...text.matchAll(/^\| `(\w+)` \| (\d+) \| (\d+) \| (\d+) \| (yes|no) \| .+ \|$/gm)];
  const documented = rows.map(([, code, http, grpc, exit, retryable]) => [
    code,
    { http: Number(http), grpc: Number(grpc), exit: Number(exit), retryable: retryable === 'yes' },
  ]);
  assert.deepEqual(Object.fromEntries(documented), errorCodes);
});
