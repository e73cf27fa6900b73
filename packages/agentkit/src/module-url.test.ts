import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moduleUrl } from './module-url.ts';

test('a module beside another has the extension that the other has', () => {
  const cases: [string, string][] = [
    ['file:///app/src/pool.ts', 'file:///app/src/worker.ts'],
    ['file:///app/dist/pool.js', 'file:///app/dist/worker.js'],
    ['file:///app/dist/pool.mjs?v=1.ts#x', 'file:///app/dist/worker.mjs'],
    ['file:///app/dist/pool.mts', 'file:///app/dist/worker.mts'],
  ];
  for (const [caller, expected] of cases) assert.equal(moduleUrl('./worker', caller).href, expected);
  assert.equal(moduleUrl('../a/b', 'file:///app/src/pool.ts').href, 'file:///app/a/b.ts');
});
