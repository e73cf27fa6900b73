import { z } from 'zod';
import { OpspawnError } from '../../errors.ts';
import { defineTool } from '../define-tool.ts';
import type { ToolContext, Tools } from '../tool.ts';
import { memoryOf } from './memory-tools.ts';

/** `edit_block` and `rewrite_block`: every agent with blocks has them. Their results say what stands in the block now. */
export function blockTools(names: readonly string[]): Tools {
  const block = z.enum(names as [string, ...string[]]);
  const annotations = { idempotentHint: true, openWorldHint: false };
  const edit = async (context: ToolContext, name: string, change: (text: string) => string) => ({
    block: name,
    text: await memoryOf(context).editBlock(name, change),
  });
  return {
    edit_block: defineTool({
      description: 'Changes a part of a block of your working memory, or adds to its end',
      input: z.object({
        block,
        old: z
          .string()
          .min(1)
          .optional()
          .describe('What is replaced; stands in the block once. Left out: added at the end'),
        new: z.string(),
      }),
      annotations,
      memory: true,
      execute: ({ block: name, old, new: text }, context) =>
        edit(context, name, (before) =>
          old === undefined ? joined(before, text) : replacedOnce(before, old, text),
        ),
    }),
    rewrite_block: defineTool({
      description: 'Gives a block of your working memory another text',
      input: z.object({ block, text: z.string() }),
      annotations,
      memory: true,
      execute: ({ block: name, text }, context) => edit(context, name, () => text),
    }),
  };
}

const joined = (before: string, added: string): string => (before === '' ? added : `${before}\n${added}`);

function replacedOnce(before: string, old: string, text: string): string {
  const parts = before.split(old);
  if (parts.length === 2) return parts.join(text);
  throw new OpspawnError(
    'invalid_argument',
    parts.length === 1 ? '"old" does not stand in the block' : '"old" stands in the block more than once',
  );
}
