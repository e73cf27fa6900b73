import { z } from 'zod';
import { liveMessageSchema } from '../message.ts';

const taskIds = z.array(z.string());

/** What processes send each other over the live exchange. One of a later version that is not known is passed over. */
export const rabbitMessageSchema = z.discriminatedUnion('kind', [
  /** A process is new here and wants to know who watches what. */
  z.object({ kind: z.literal('hello'), member: z.string() }),
  /** All that the member watches. */
  z.object({ kind: z.literal('watches'), member: z.string(), taskIds }),
  z.object({ kind: z.literal('watch'), member: z.string(), begun: taskIds, ended: taskIds }),
  z.object({ kind: z.literal('bye'), member: z.string() }),
  z.object({ kind: z.literal('live'), message: liveMessageSchema }),
]);

export type RabbitMessage = z.infer<typeof rabbitMessageSchema>;
