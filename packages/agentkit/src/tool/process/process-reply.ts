import { z } from 'zod';
import type { Json } from '../../json.ts';

const failureSchema = z.object({
  message: z.string(),
  /** Of an OpspawnError that the tool threw. */
  code: z.string().optional(),
  retryable: z.boolean().optional(),
});

/** What a process of the `process` tier answers. */
export const processReplySchema = z.discriminatedUnion('type', [
  /** It runs and waits for `load`. */
  z.object({ type: z.literal('started') }),
  z.object({ type: z.literal('loaded') }),
  z.object({ type: z.literal('progress'), call: z.int(), message: z.string() }),
  /** The end of a call. `result` is absent for undefined; it was JSON text, so that there is nothing to check in it. */
  z.object({ type: z.literal('done'), call: z.int(), result: z.custom<Json>().optional() }),
  /** The end of a call, or of loading. */
  z.object({ type: z.literal('failed'), call: z.int().optional(), error: failureSchema }),
]);

export type ProcessReply = z.infer<typeof processReplySchema>;
export type ProcessFailure = z.infer<typeof failureSchema>;
