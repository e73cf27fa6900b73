/**
 * What the `data` of each journal entry holds, as JSON text. `value`, `output` and the like are what a caller gave or
 * got; a step's entry costs less than 150 bytes beside them. Entries of a step, wait or child name it in their columns
 * `branch`, `name`, `count`; `asked` says how many results had been handed out when it was asked for.
 */
import type { ErrorCode, Json, LogLevel, RecordedError } from '@opspawn/agentkit';
import { encodeJson, errorCodes } from '@opspawn/agentkit';
import { type EntryType, recordedErrorSchema, resolutionSchema } from '@opspawn/sdk';
import { z } from 'zod';

/**
 * A value that was JSON text a moment ago, so that only its presence has to be looked at: a schema that walks through
 * it would cost more than all the rest of a replay.
 */
const recordedJson = z.unknown().transform((value) => value as Json);
const instantMs = z.int();

/** The kinds of work that a result can belong to. */
const recordKindSchema = z.enum(['step', 'llm', 'tool', 'sleep', 'signal', 'approval', 'question', 'child']);
export type RecordKind = z.infer<typeof recordKindSchema>;

/** `kind` is left out for `step`. */
const kind = recordKindSchema.default('step');

/** Of a step, wait or child. From `startedAt` to the entry's `at` is its span. */
export const stepCompletedSchema = z.object({
  kind,
  startedAt: instantMs,
  /** Tries in the attempt that finished it, when more than one. */
  tries: z.int().optional(),
  /** Who answered a question. */
  by: z.string().optional(),
  value: recordedJson.optional(),
});

export const stepFailedSchema = z.object({
  kind,
  startedAt: instantMs,
  tries: z.int().optional(),
  error: recordedErrorSchema,
});

/** `intent` is what an operator should see of the effect. */
export const stepIntendedSchema = z.object({ kind, intent: recordedJson.optional() });

/** Of `step.reopened` and `step.superseded`: seq of the entry that counts no more. */
export const entryReferenceSchema = z.object({ ref: z.int().positive() });

/** `kind` is that of the wait; `doubt` is a person asked about an effect in doubt. */
export const waitOpenedSchema = z.object({
  kind: z.enum(['sleep', 'signal', 'approval', 'question', 'child', 'doubt']),
  dueAt: instantMs.optional(),
  /** Inbox key that ends it; absent for a sleep. */
  key: z.string().optional(),
  childTaskId: z.string().optional(),
  payload: recordedJson.optional(),
  prompt: z.string().optional(),
  /** JSON Schema of the answer to a question. */
  schema: recordedJson.optional(),
});
export type WaitOpened = z.infer<typeof waitOpenedSchema>;

/** `evidence` is what the superseded attempt posted: `{ attempt, ok, value | error }`. */
export const doubtEvidenceSchema = z.object({ evidence: recordedJson });

/** `by` is a person, `probe` (the step's own `reconcile`) or `policy` (its `onUnknown`). */
export const doubtResolvedSchema = z.intersection(resolutionSchema, z.object({ by: z.string() }));
export type DoubtResolved = z.infer<typeof doubtResolvedSchema>;

export const cancelRequestedSchema = z.object({ reason: z.string() });

export const taskCompletedSchema = z.object({ output: recordedJson.optional() });
export const taskFailedSchema = z.object({
  error: recordedErrorSchema,
  /** Seq of the step.failed that led to it; `reopen` starts there. */
  failedStep: z.int().positive().optional(),
});

/** The data of every type of entry. */
export const entryDataSchemas = {
  'step.intended': stepIntendedSchema,
  'step.completed': stepCompletedSchema,
  'step.failed': stepFailedSchema,
  'step.reopened': entryReferenceSchema,
  'step.superseded': entryReferenceSchema,
  'wait.opened': waitOpenedSchema,
  'doubt.evidence': doubtEvidenceSchema,
  'doubt.resolved': doubtResolvedSchema,
  /** `failures` so far; the next attempt comes `retryInMs` later. */
  'attempt.failed': z.object({ error: recordedErrorSchema, failures: z.int(), retryInMs: z.int() }),
  'cancel.requested': cancelRequestedSchema,
  'task.paused': z.object({ reason: z.string(), details: recordedJson.optional() }),
  'task.resumed': z.undefined(),
  /** Names its step in the columns when it was written inside one. */
  log: z.object({
    level: z.enum(['debug', 'info', 'warn', 'error']) satisfies z.ZodType<LogLevel>,
    message: z.string(),
    fields: z.record(z.string(), recordedJson).optional(),
  }),
  'task.completed': taskCompletedSchema,
  'task.failed': taskFailedSchema,
  'task.cancelled': z.object({ reason: z.string() }),
} as const satisfies Record<EntryType, z.ZodType>;

/** What a parent's inbox gets at the end of a child. */
export const childEndSchema = z.object({
  status: z.enum(['completed', 'failed', 'cancelled']),
  output: recordedJson.optional(),
  error: recordedErrorSchema.optional(),
});

/** What an inbox item of kind `decision` holds for an approval and for a question. */
export const approvalAnswerSchema = z.object({
  approved: z.boolean(),
  by: z.string(),
  comment: z.string().optional(),
});
export const questionAnswerSchema = z.object({
  /** Absent in what an earlier version wrote; false: the question is declined. */
  approved: z.boolean().optional(),
  answer: recordedJson.optional(),
  by: z.string(),
  comment: z.string().optional(),
});
export const cancelItemSchema = z.object({ reason: z.string().optional() });

/** The text of a result. Built by hand: it is written once for every step. `value` is JSON text. */
export function stepCompletedText(
  kind: RecordKind,
  startedAt: number,
  value: string | undefined,
  tries: number,
  by?: string,
): string {
  const ofKind = kind === 'step' ? '' : `"kind":"${kind}",`;
  const ofTries = tries > 1 ? `,"tries":${tries}` : '';
  const ofPerson = by === undefined ? '' : `,"by":${JSON.stringify(by)}`;
  return `{${ofKind}"startedAt":${startedAt}${ofTries}${ofPerson}${value === undefined ? '' : `,"value":${value}`}}`;
}

export function stepFailedText(
  kind: RecordKind,
  startedAt: number,
  error: RecordedError,
  tries: number,
): string {
  const ofKind = kind === 'step' ? '' : `"kind":"${kind}",`;
  const ofTries = tries > 1 ? `,"tries":${tries}` : '';
  return `{${ofKind}"startedAt":${startedAt}${ofTries},"error":${errorText(error)}}`;
}

/** Throws `not_json` for an intent that is none. */
export function stepIntendedText(kind: RecordKind, intent: Json | undefined): string {
  const shown = intent === undefined ? undefined : encodeJson(intent, 'the intent');
  return `{"kind":"${kind}"${shown === undefined ? '' : `,"intent":${shown}`}}`;
}

/** JSON text of an error. Details that JSON cannot hold are left out: they must not hide the error itself. */
export function errorText(error: RecordedError): string {
  try {
    return encodeJson(error) as string;
  } catch {
    return JSON.stringify(withoutDetails(error));
  }
}

function withoutDetails({ name, code, message, cause }: RecordedError): RecordedError {
  return { name, code, message, ...(cause === undefined ? {} : { cause: withoutDetails(cause) }) };
}

/** An error as the journal holds it. A code that this version does not know counts as `internal`. */
export function toRecordedError(recorded: z.infer<typeof recordedErrorSchema>): RecordedError {
  const { name, code, message, details, cause } = recorded;
  return {
    name,
    code: code in errorCodes ? (code as ErrorCode) : 'internal',
    message,
    ...(details === undefined ? {} : { details }),
    ...(cause === undefined ? {} : { cause: toRecordedError(cause) }),
  };
}

export const parseData = <T>(schema: z.ZodType<T>, data: string | undefined): T =>
  schema.parse(JSON.parse(data ?? '{}'));
