import { z } from 'zod';
import type { LiveMessage } from './broker.ts';

export const liveMessageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('changed'), taskId: z.string() }),
  z.object({ type: z.literal('posted'), taskId: z.string() }),
  z.object({ type: z.literal('event'), taskId: z.string(), attempt: z.int(), event: z.unknown() }),
]) satisfies z.ZodType<LiveMessage>;

/** What goes over the wire between processes, whatever carries it. */
export const busMessageSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ring'), queues: z.array(z.string()) }),
  /** Somebody in the sender's process began, or stopped, to watch the task. */
  z.object({ kind: z.literal('watch'), taskId: z.string() }),
  z.object({ kind: z.literal('unwatch'), taskId: z.string() }),
  z.object({ kind: z.literal('live'), message: liveMessageSchema }),
]);

export type BusMessage = z.infer<typeof busMessageSchema>;
