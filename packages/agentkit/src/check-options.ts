import { z } from 'zod';
import type { ErrorCode } from './error-codes.ts';
import { describeThrown, isOpspawnError, OpspawnError } from './errors.ts';
import { describeProblem, listProblems } from './tool/problem-list.ts';

/**
 * Throws `code`, with the path of each problem, for what is not as the schema says. With a strict schema a misspelt key is
 * a problem: it would silently mean the default. Nothing is decoded: the caller goes on with what it was given.
 */
export function checkOptions(
  what: string,
  schema: z.ZodType,
  given: unknown,
  code: ErrorCode = 'config_invalid',
): void {
  // to zod it is an object without keys, which would silently mean every default
  if (given instanceof Promise) throw notValid(what, ['is a promise: await it'], code);
  const { error } = readBy(() => schema.safeParse(given), what, code);
  if (error !== undefined) throw notValid(what, error.issues.flatMap(describeIssue), code);
}

/** What throws while it is looked at (a getter, a proxy) is not valid. */
export function readBy<T>(look: () => T, what: string, code: ErrorCode): T {
  try {
    return look();
  } catch (thrown) {
    if (isOpspawnError(thrown)) throw thrown;
    throw notValid(what, [`cannot be read: ${describeThrown(thrown)}`], code);
  }
}

export const notValid = (what: string, problems: readonly string[], code: ErrorCode): OpspawnError =>
  new OpspawnError(code, `${what} is not valid:\n${listProblems(problems)}`, {
    details: { problems: [...problems] },
  });

/** What is no method of these. */
const texts: ReadonlySet<string> = new Set(['id', 'name', 'instructions']);

/** Something with these methods (and texts), whatever made it. */
export const having = <T>(...members: (keyof T & string)[]) =>
  z.custom<T>(
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      members.every((member) => typeof (value as T)[member] === (texts.has(member) ? 'string' : 'function')),
    `must be an object with ${members.join(', ')}`,
  );

/** Texts by name. A copy is looked at: zod takes `process.env` itself for no record. */
export const textsByName = <Text extends z.ZodType>(text: Text) =>
  z.preprocess(
    (given) => (typeof given === 'object' && given !== null && !Array.isArray(given) ? { ...given } : given),
    z.record(z.string(), text),
  );

export const count = z.int().positive();
export const callable = z.custom<(...args: never[]) => unknown>(
  (value) => typeof value === 'function',
  'must be a function',
);

export const abortSignal = z.custom<AbortSignal>(
  (value) => typeof (value as AbortSignal | null)?.addEventListener === 'function',
  'must be an AbortSignal',
);

/** One line for each thing that is wrong, with its path. */
export function describeIssue({ path, ...issue }: z.core.$ZodIssue): string[] {
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => describeProblem([...path, key], 'is not known'));
    case 'invalid_key':
      return issue.issues.map(({ message }) => describeProblem(path, message));
    case 'invalid_union':
      return [describeProblem(path, ofUnion(issue.message, issue.errors))];
    default:
      return [describeProblem(path, issue.message)];
  }
}

/** What it says itself, where it does; otherwise what each of its members says. */
const ofUnion = (message: string, errors: readonly z.core.$ZodIssue[][]): string =>
  message === 'Invalid input' ? errors.map(([first]) => first?.message).join(', or ') : message;
