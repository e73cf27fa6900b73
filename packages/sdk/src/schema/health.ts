import { z } from 'zod';

export const healthSchema = z
  .object({ status: z.literal('ok') })
  .meta({ id: 'Health', examples: [{ status: 'ok' }] });

export const readinessSchema = z
  .object({
    status: z.literal('ok'),
    /** Without it work is taken and done, but a worker notices it up to a second later. */
    broker: z.enum(['linked', 'away']),
  })
  .meta({ id: 'Readiness', examples: [{ status: 'ok', broker: 'linked' }] });

export type Readiness = z.infer<typeof readinessSchema>;
