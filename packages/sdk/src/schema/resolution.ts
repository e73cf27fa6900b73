import { jsonSchema } from '@opspawn/agentkit/schema';
import { z } from 'zod';

const step = z.string().min(1).max(2000).describe('`step` of one of the task’s `waits`');
const comment = z.string().max(10_000).optional();

const retryEffect = z.strictObject({ action: z.literal('retry') });
const acceptResult = z.strictObject({ action: z.literal('result'), result: jsonSchema.optional() });
const failStep = z.strictObject({ action: z.literal('fail'), message: z.string().max(10_000).optional() });

/** A person's or a policy's word on an effect in doubt: do it again, take this result, or fail. */
export const resolutionSchema = z.discriminatedUnion('action', [retryEffect, acceptResult, failStep]);
export type Resolution = z.infer<typeof resolutionSchema>;

/** A resolution and the step that it is for. */
export const resolveStepSchema = z
  .discriminatedUnion('action', [
    retryEffect.extend({ step }),
    acceptResult.extend({ step }),
    failStep.extend({ step }),
  ])
  .meta({
    id: 'Resolution',
    examples: [{ step: 'pay back', action: 'result', result: { refundId: 're_17' } }],
  });

/** A person's word on an open approval (`approve`, `deny`) or question (`answer`, `deny`). */
export const decideStepSchema = z
  .discriminatedUnion('action', [
    z.strictObject({ action: z.literal('approve'), step, comment }),
    z.strictObject({ action: z.literal('deny'), step, comment }),
    z.strictObject({ action: z.literal('answer'), step, answer: jsonSchema, comment }),
  ])
  .meta({
    id: 'Decision',
    examples: [{ step: 'approval:refund', action: 'approve', comment: 'Known customer' }],
  });
