import { z } from 'zod';
import { checkOptions, count } from '../../check-options.ts';
import { defineTool } from '../define-tool.ts';
import type { AskingTool } from '../tool.ts';

export interface AskHumanOptions {
  /** What the model is told of it. */
  description?: string;
  /** After so long the model is told that nobody answered. Default: it waits. */
  timeoutMs?: number;
}

const optionsSchema = z.strictObject({
  description: z.string().min(1).optional(),
  timeoutMs: count.optional(),
} satisfies Record<keyof AskHumanOptions, z.ZodType>);

/**
 * Asks a person; the answer is the call's result. Under ops-core the task waits (`opspawn task answer`), in agentkit alone
 * `onQuestion` answers. What a person writes goes to the model as it is.
 */
export function askHuman(
  options: AskHumanOptions = {},
): AskingTool<{ question: string; choices?: string[] | undefined }> {
  checkOptions('The tool that asks a person', optionsSchema, options, 'invalid_argument');
  const {
    description = 'Asks a person, who may take long to answer. For what only a person can know or decide.',
    timeoutMs,
  } = options;
  return defineTool({
    description,
    input: z.object({
      question: z.string().min(1),
      choices: z.array(z.string()).max(20).optional().describe('Answers to choose from'),
    }),
    annotations: { readOnlyHint: true },
    ask: ({ question, choices = [] }) => ({
      kind: 'question',
      prompt: [question, ...choices.map((choice) => `- ${choice}`)].join('\n'),
      ...(timeoutMs !== undefined && { timeoutMs }),
    }),
  });
}
