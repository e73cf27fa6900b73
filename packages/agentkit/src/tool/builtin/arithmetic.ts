import { z } from 'zod';
import { defineTool } from '../define-tool.ts';

const pair = z.object({ a: z.number(), b: z.number() });

/** Adds two numbers. An example of the smallest tool. */
export const add = defineTool({
  description: 'Adds two numbers: a + b',
  input: pair,
  annotations: { readOnlyHint: true, openWorldHint: false },
  execute: ({ a, b }) => a + b,
});

/** Subtracts two numbers. */
export const subtract = defineTool({
  description: 'Subtracts two numbers: a - b',
  input: pair,
  annotations: { readOnlyHint: true, openWorldHint: false },
  execute: ({ a, b }) => a - b,
});
