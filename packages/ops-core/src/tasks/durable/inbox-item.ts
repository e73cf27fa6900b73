/** What comes from outside, read: one reader per kind of wait. Undefined is what cannot be read. */
import {
  CancelledError,
  encodeJson,
  type Json,
  OpspawnError,
  type RecordedError,
  recordError,
} from '@opspawn/agentkit';
import { z } from 'zod';
import type { InboxRow, StoredWait } from '../../storage/store.ts';
import {
  approvalAnswerSchema,
  cancelItemSchema,
  childEndSchema,
  type DoubtResolved,
  doubtResolvedSchema,
  questionAnswerSchema,
  toRecordedError,
} from './entry-data.ts';

export type Answer =
  | { type: 'result'; text: string | undefined; by?: string }
  | { type: 'failure'; error: RecordedError }
  | { type: 'resolution'; resolution: DoubtResolved };

/** What an item says to a wait of this kind. */
export function readAnswer(kind: StoredWait['kind'], row: InboxRow): Answer | undefined {
  switch (kind) {
    case 'approval': {
      const decision = readItem(approvalAnswerSchema, row);
      return decision && { type: 'result', text: JSON.stringify(decision) };
    }
    case 'question': {
      const answered = readItem(questionAnswerSchema, row);
      if (answered?.approved === false) return { type: 'failure', error: declined(answered) };
      return answered && { type: 'result', text: encodeJson(answered.answer), by: answered.by };
    }
    case 'child': {
      const end = readItem(childEndSchema, row);
      if (end?.status === 'completed') return { type: 'result', text: encodeJson(end.output) };
      return end && { type: 'failure', error: childFailure(end) };
    }
    case 'doubt': {
      const resolution = readItem(doubtResolvedSchema, row);
      return resolution && { type: 'resolution', resolution };
    }
    default: {
      const sent = readItem(sentJson, row);
      return sent && { type: 'result', text: encodeJson(sent.value) };
    }
  }
}

function declined({ by, comment }: { by: string; comment?: string | undefined }): RecordedError {
  const message = `Declined by ${by}${comment === undefined ? '' : `: ${comment}`}`;
  return recordError(new OpspawnError('declined', message, { details: { by } }));
}

function childFailure({ status, error }: z.infer<typeof childEndSchema>): RecordedError {
  if (error !== undefined) return toRecordedError(error);
  const message = `The child task was ${status}`;
  return recordError(
    status === 'cancelled' ? new CancelledError(message) : new OpspawnError('step_failed', message),
  );
}

const sentJson = z.unknown().transform((value) => ({ value: value as Json | undefined }));

/** What an item holds; undefined when it is not what it should be. */
function readItem<T>(schema: z.ZodType<T>, { data }: InboxRow): T | undefined {
  try {
    return schema.safeParse(data === undefined ? undefined : JSON.parse(data)).data;
  } catch {
    return undefined;
  }
}

export const cancelReasonOf = (row: InboxRow): string =>
  readItem(cancelItemSchema, row)?.reason ?? 'cancelled';
