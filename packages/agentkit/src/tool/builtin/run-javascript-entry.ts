/** What runs in the sandbox of `runJavascript`: one program, as the body of an async function. */
import { inspect } from 'node:util';
import { isJson } from '../../json.ts';

export interface JavascriptResult {
  /** What the program returned: as JSON, or as text where JSON cannot hold it. Absent for nothing. */
  value?: unknown;
  /** What it printed. */
  output?: string;
  /** Whether its output was cut. */
  isCut?: true;
  /** What it threw. */
  error?: string;
}

const maxOutputLength = 32_000;
type Program = (input: unknown, console: object) => Promise<unknown>;
const AsyncFunction = (async () => {}).constructor as new (...parts: string[]) => Program;

export default async function runJavascript({
  code,
  input = null,
}: {
  code: string;
  input?: unknown;
}): Promise<JavascriptResult> {
  const output = new Output();
  try {
    const program = new AsyncFunction('input', 'console', `'use strict';\n${code}\n`);
    const value = await program(input, output.console);
    return {
      ...(value !== undefined && { value: isJson(value) ? value : inspect(value) }),
      ...output.result(),
    };
  } catch (thrown) {
    return { error: describe(thrown), ...output.result() };
  }
}

class Output {
  #text = '';
  #isCut = false;
  readonly console = Object.fromEntries(
    ['log', 'info', 'warn', 'error', 'debug'].map((level) => [
      level,
      (...values: unknown[]) => this.#print(values),
    ]),
  );

  #print(values: readonly unknown[]): void {
    const line = values.map((value) => (typeof value === 'string' ? value : inspect(value))).join(' ');
    const room = maxOutputLength - this.#text.length;
    this.#isCut ||= line.length + 1 > room;
    this.#text += `${line}\n`.slice(0, room);
  }

  result(): Pick<JavascriptResult, 'output' | 'isCut'> {
    return { ...(this.#text !== '' && { output: this.#text }), ...(this.#isCut && { isCut: true }) };
  }
}

/** With the line of the program, two lines of which are not its own. */
function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return `thrown: ${inspect(thrown)}`;
  const line = /<anonymous>:(\d+):(\d+)/.exec(thrown.stack ?? '');
  const where = line === null ? '' : ` (line ${Number(line[1]) - 3})`;
  return `${thrown.name}: ${thrown.message}${where}`;
}
