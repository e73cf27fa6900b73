import { z } from 'zod';
import { defineTool } from '../define-tool.ts';
import { evaluateExpression } from './expression.ts';

/** Works out arithmetic. Reads only its own small language: nothing is ever run as code. */
export const calculator = defineTool({
  description:
    'Works out an arithmetic expression: numbers, + - * / % ^, parentheses, pi, e, and abs, ceil, floor, round, sqrt, exp, ln, log10, sin, cos, tan, min, max. Example: "2 * (3 + sqrt(16)) ^ 2"',
  input: z.object({ expression: z.string().max(1_000) }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  execute: ({ expression }) => evaluateExpression(expression),
});
