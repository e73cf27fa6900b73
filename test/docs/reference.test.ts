import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { referencePages } from '../../scripts/reference.ts';

for (const [name, text] of Object.entries(await referencePages())) {
  test(`ops-docs/reference/${name} is what the code says`, async () => {
    const page = await readFile(new URL(`../../ops-docs/reference/${name}`, import.meta.url), 'utf8');
    assert.ok(page === text, 'out of date: run `npm exec -- node scripts/reference.ts`');
  });
}
