import { type ErrorCode, errorCodes, jsonSchema } from '@opspawn/agentkit/schema';
import { z } from 'zod';

export const errorCodeSchema = z.enum(Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]]);

/** One thing that is wrong with a request. */
export const fieldErrorSchema = z
  .object({
    in: z.enum(['body', 'query', 'path', 'header']),
    path: z.string().describe('JSON Pointer (RFC 6901) to the field; empty for the whole'),
    message: z.string(),
  })
  .meta({ id: 'FieldError' });
export type FieldError = z.infer<typeof fieldErrorSchema>;

/** RFC 9457. `code` is stable and says what to do; `detail` is for people. */
export const problemSchema = z
  .object({
    type: z.string().describe('`urn:opspawn:error:` and the code'),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: errorCodeSchema,
    requestId: z.string().describe('The answer’s `x-request-id`; the server’s log has it too'),
    errors: z.array(fieldErrorSchema).optional().describe('What is wrong where, at most 100'),
    details: z.record(z.string(), jsonSchema).optional(),
  })
  .meta({ id: 'Problem', description: 'Problem details (RFC 9457)' });
export type Problem = z.infer<typeof problemSchema>;
