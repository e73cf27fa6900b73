import { z } from 'zod';
import { describeIssue } from '../check-options.ts';
import { OpspawnError } from '../errors.ts';
import { jsonSchema, messageSchema } from '../message.ts';

/** One line of a dataset. */
export const evalCaseSchema = z.strictObject({
  /** Default: its number in the dataset, from 1. Results of two runs are compared by it. */
  id: z.string().min(1).optional(),
  /** The prompt: a text, or parts with files. */
  input: z.union([z.string(), messageSchema.options[1].shape.content]),
  /** What the scorers compare with; what it means is theirs to say. */
  expected: jsonSchema.optional(),
  /** For scorers of your own, and for readers. */
  metadata: jsonSchema.optional(),
});

export type EvalCase = z.infer<typeof evalCaseSchema>;

/**
 * The cases of a JSONL text: a JSON object on each line; empty lines count for nothing. Throws `invalid_argument`, naming the
 * line, for one that is none, for an id that is there twice, and for a dataset without cases.
 */
export function parseEvalCases(text: string): EvalCase[] {
  if (typeof text !== 'string')
    throw new OpspawnError(
      'invalid_argument',
      "A dataset is parsed from its text: readFile(path, 'utf8') gives it",
    );
  const cases: EvalCase[] = [];
  const ids = new Set<string>();
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    if (line.trim() === '') continue;
    const each = parseLine(line, index + 1);
    const id = each.id ?? String(cases.length + 1);
    if (ids.has(id)) throw badLine(index + 1, `the id ${JSON.stringify(id)} is there twice`);
    ids.add(id);
    cases.push(each);
  }
  if (cases.length > 0) return cases;
  throw new OpspawnError('invalid_argument', 'The dataset holds no cases');
}

function parseLine(line: string, number: number): EvalCase {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (thrown) {
    throw badLine(number, `it is no JSON: ${(thrown as Error).message}`);
  }
  const { data, error } = evalCaseSchema.safeParse(value);
  if (data !== undefined) return data;
  throw badLine(number, error.issues.flatMap(describeIssue).join('; '));
}

const badLine = (line: number, problem: string): OpspawnError =>
  new OpspawnError('invalid_argument', `Line ${line} of the dataset: ${problem}`, { details: { line } });
