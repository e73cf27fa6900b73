import { createContext, Script } from 'node:vm';
import { OpspawnError } from '../errors.ts';

/** Shorter texts are done in no time by whatever pattern. */
const shortText = 20;
const maxMs = 50;
/** However little of the machine this process gets. */
const maxWallMs = 3_200;

const script = new Script('pattern.test(text)');
const context = createContext({ pattern: undefined, text: '' }) as {
  pattern: RegExp | undefined;
  text: string;
};

/**
 * A regular expression of somebody else's: a server's schema may hold one that takes years for a text of forty characters.
 * It is ended after 50 ms of computing, and throws `invalid_argument`.
 */
export function boundedRegExp(source: string, flags: string): { test(text: string): boolean } {
  const pattern = compile(source, flags);
  const test = (text: string): boolean =>
    text.length <= shortText ? pattern.test(text) : testInTime(pattern, text);
  return { test, toString: () => String(pattern) } as { test(text: string): boolean };
}
/** What Ajv would write into code of its own, were it asked for some. */
boundedRegExp.code = 'new RegExp';

/** Many are written for expressions without the flag `u`, where `\@` and `[\w-.]` are no mistakes. */
function compile(source: string, flags: string): RegExp {
  try {
    return new RegExp(source, flags);
  } catch (thrown) {
    try {
      return new RegExp(source, flags.replace('u', ''));
    } catch {
      throw thrown;
    }
  }
}

function testInTime(pattern: RegExp, text: string): boolean {
  Object.assign(context, { pattern, text });
  try {
    // Time passes also while others have the machine: who got too little of it is given more.
    for (let timeout = maxMs; ; timeout *= 2) {
      const before = computedMs();
      try {
        return script.runInContext(context, { timeout }) as boolean;
      } catch (cause) {
        if (computedMs() - before < maxMs * 0.8 && timeout < maxWallMs) continue;
        throw new OpspawnError('invalid_argument', `The pattern ${pattern} takes too long`, { cause });
      }
    }
  } finally {
    Object.assign(context, { pattern: undefined, text: '' });
  }
}

/** By this thread, or where Node cannot tell (before 24), by all of this process. */
function computedMs(): number {
  const { user, system } = process.threadCpuUsage?.() ?? process.cpuUsage();
  return (user + system) / 1_000;
}
