import { z } from 'zod';
import { recordedErrorSchema } from './entry.ts';
import { errorCodeSchema } from './problem.ts';
import { nameSchema, taskKindSchema } from './task.ts';

export const listFailuresSchema = z.strictObject({
  kind: taskKindSchema.optional(),
  name: nameSchema.optional(),
  errorCode: errorCodeSchema.optional(),
  limit: z.int().min(1).max(200).default(50),
});

/** Failed tasks of one definition that ended with the same code. */
export const failureSchema = z
  .object({
    errorCode: z.string(),
    kind: taskKindSchema,
    name: z.string(),
    count: z.int().positive(),
    firstFailedAt: z.iso.datetime(),
    lastFailedAt: z.iso.datetime(),
    latest: z
      .object({ taskId: z.uuid(), error: recordedErrorSchema })
      .describe('The newest of them, with its chain of errors'),
  })
  .meta({ id: 'Failure' });
export type Failure = z.infer<typeof failureSchema>;

export const failureListSchema = z
  .object({ items: z.array(failureSchema).describe('The largest groups first') })
  .meta({ id: 'FailureList' });
