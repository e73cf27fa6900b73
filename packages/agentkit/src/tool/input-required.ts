import { z } from 'zod';
import { OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import { jsonSchema } from '../message.ts';

/** What a person is asked in the middle of a call. */
export interface InputRequest {
  prompt: string;
  /** JSON Schema of the answer. Default: any JSON. */
  schema?: Json | undefined;
  /** After so long nobody answered, in ms. Default: it waits. */
  timeoutMs?: number | undefined;
}

/** What became of a request. `unanswered`: nobody did in time, or nobody can be asked. */
export type InputAnswer =
  | { outcome: 'answered'; value: Json }
  | { outcome: 'declined' }
  | { outcome: 'unanswered' };

/** What a call gets when it goes on: the state that it left, and the answers under the names of its requests. */
export interface ResumedCall {
  state: Json;
  answers: Readonly<Record<string, InputAnswer>>;
}

const maxRequests = 20;

const requestSchema = z.object({
  prompt: z.string(),
  schema: jsonSchema.optional(),
  timeoutMs: z.int().positive().optional(),
});
/** How it is recorded: as the details of a failure of that step which no caller takes for the call's end. */
const recordedSchema = z.object({
  requests: z.record(z.string(), requestSchema),
  state: jsonSchema,
});

/**
 * What a tool gives back in place of a result when it cannot go on before a person has answered. The call is made once
 * more, with the answers as `context.resumed`, under ops-core perhaps by another process and days later. A class, so
 * that nothing that a tool only passes on can be taken for it.
 */
export class InputRequired {
  readonly requests: Readonly<Record<string, InputRequest>>;
  /** Recorded, and handed back as it is: JSON without secrets. */
  readonly state: Json;

  /** Throws `invalid_argument` for no request, or more than 20. */
  constructor(requests: Readonly<Record<string, InputRequest>>, state: Json = null) {
    const count = Object.keys(requests).length;
    if (count === 0 || count > maxRequests)
      throw new OpspawnError('invalid_argument', `A call asks 1 to ${maxRequests} questions, not ${count}`);
    this.requests = requests;
    this.state = state;
  }

  /** As the failure that it is recorded as. */
  toError(): OpspawnError {
    const asked = Object.values(this.requests).map(({ prompt }) => prompt);
    return new OpspawnError('input_required', asked.join('\n'), {
      retryable: false,
      details: { requests: this.requests, state: this.state },
    });
  }

  /** What such a failure holds; undefined for any other one. */
  static fromError({ code, details }: { code: string; details?: unknown }): InputRequired | undefined {
    if (code !== 'input_required') return undefined;
    const { success, data } = recordedSchema.safeParse(details);
    return success ? new InputRequired(data.requests, data.state) : undefined;
  }
}
