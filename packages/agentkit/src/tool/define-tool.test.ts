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

test('what is no tool is refused, naming the path, whoever did not have types', () => {
  const good = { description: 'd', input: text, execute: () => 1 };
  const bad: [tool: unknown, problem: RegExp][] = [
    [undefined, /expected object/],
    [() => 1, /expected object/],
    [{}, /^- description: .*\n- input: must be a Standard Schema or/m],
    [{ ...good, excute: 1 }, /^- excute: is not known/m],
    [{ ...good, execute: 'x' }, /^- execute: must be a function/m],
    [{ ...good, timeoutMs: '5' }, /^- timeoutMs: /m],
    [
      { ...good, input: { jsonSchema: {}, validate: { parse: () => 1 } } },
      /^- input: .*with validate a Standard/m,
    ],
    [{ description: 'd', input: text }, /needs execute, ask, or isolation/],
    [{ description: 'd', parameters: text, execute: () => 1 }, /^- parameters: is not known/m],
  ];
  for (const [tool, message] of bad)
    assert.throws(() => defineTool(tool as typeof good), { code: 'invalid_argument', message });
});
