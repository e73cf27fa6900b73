import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import type { Json } from '../json.ts';
import { defineTool } from './define-tool.ts';
import type { Tools } from './tool.ts';

const text = z.object({ text: z.string() });

test('the type of the arguments follows the schema, and tools of any input stand in one map', () => {
  const tools = {
    add: defineTool({
      description: 'd',
      input: z.object({ a: z.number(), b: z.number().optional() }),
      approval: ({ a }) => a > (1 satisfies number),
      execute: ({ a, b }) => a + ((b satisfies number | undefined) ?? 0),
    }),
    raw: defineTool({
      description: 'd',
      input: { jsonSchema: { type: 'object' } },
      execute: (input) => Object.keys(input satisfies { [key: string]: Json }),
    }),
    far: defineTool({
      description: 'd',
      isolation: 'process',
      input: text,
      module: new URL('file:///none.ts'),
    }),
  } satisfies Tools;
  // @ts-expect-error the schema says that there is no c
  defineTool({ description: 'd', input: z.object({ a: z.number() }), execute: ({ c }) => c });
  assert.equal(tools.add.execute({ a: 1, b: 2 }, {} as never), 3);
});
