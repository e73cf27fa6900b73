import { UrlElicitationRequiredError } from '@modelcontextprotocol/client';
import { z } from 'zod';
import { OpspawnError } from '../errors.ts';
import { Asked } from './asked.ts';
import { parseElicitation } from './parse-elicitation.ts';

/** It is recorded by those who keep a journal. */
const maxStateChars = 256 * 1024;

/** The library gives the questions of a result as they came. */
const questionsSchema = z.object({
  inputRequests: z.record(z.string(), z.object({ method: z.string(), params: z.unknown() })).default({}),
  requestState: z.string().max(maxStateChars).optional(),
});

/** Throws `tool_failed` when it asks for what this client gives to no server. */
export function askedInRounds(result: object): Asked {
  const { data, error } = questionsSchema.safeParse(result);
  if (data === undefined) throw refused('asks a person in a way that this client does not know', error);
  const { inputRequests, requestState } = data;
  const elicitations = Object.entries(inputRequests).map(([name, { method, params }]) => {
    if (method !== 'elicitation/create') throw refused(`asks this client for ${method}, which it refuses`);
    return [name, parseElicitation(params)] as const;
  });
  const way = { kind: 'rounds' as const, ...(requestState !== undefined && { requestState }) };
  return new Asked(Object.fromEntries(elicitations), way);
}

/** The pages that a person has to visit before the request is made again; undefined for any other failure. */
export function askedToVisit(thrown: unknown): Asked | undefined {
  if (!(thrown instanceof UrlElicitationRequiredError)) return undefined;
  const pages = thrown.elicitations.map((page, index) => [String(index), parseElicitation(page)] as const);
  return pages.length === 0 ? undefined : new Asked(Object.fromEntries(pages), { kind: 'anew' });
}

const refused = (what: string, cause?: unknown): OpspawnError =>
  new OpspawnError('tool_failed', `The server ${what}`, { cause, retryable: false });
