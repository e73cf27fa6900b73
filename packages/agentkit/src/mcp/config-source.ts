import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
} from 'yaml';
import { OpspawnError } from '../errors.ts';

/** A YAML or JSON text that knows on which line each of its values stands. */
export interface ConfigSource {
  value: unknown;
  /** Line (from 1) of the key or item at this path, or of its nearest ancestor that exists. */
  lineOf(path: readonly PropertyKey[]): number;
}

export interface ConfigProblem {
  line: number;
  /** Dotted path of the key, or empty for the whole file. */
  key: string;
  message: string;
}

/** `config_invalid` with all problems, one per line, each as `file:line: key: message`. */
export function configInvalid(file: string, problems: readonly ConfigProblem[]): OpspawnError {
  const lines = problems.map(
    ({ line, key, message }) => `${file}:${line}: ${key === '' ? '' : `${key}: `}${message}`,
  );
  return new OpspawnError('config_invalid', lines.join('\n'), { details: { file, problems } });
}

/**
 * Parses YAML (and so JSON) and puts `environment`'s values for `${NAME}` and `${NAME:-default}` (unset or empty) into
 * its strings; `$${` stands for a literal `${`. Throws `config_invalid` for bad syntax, naming the line, and for
 * missing variables, naming all of them.
 */
export function parseConfigSource(
  file: string,
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
): ConfigSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const lineAt = (offset: number): number => Math.max(1, lines.linePos(offset).line);
  if (document.errors.length > 0) {
    const problems = document.errors.map(({ pos, message }) => {
      const line = lineAt(pos[0]);
      const hint = text.split('\n')[line - 1]?.includes('${')
        ? ' (inside [ ] and { }, "${NAME}" needs quotes)'
        : '';
      return { line, key: '', message: message.replace(/ at line \d.*/s, '') + hint };
    });
    throw configInvalid(file, problems);
  }
  const problems = resolveVariables(document, environment, lineAt);
  if (problems.length > 0) throw configInvalid(file, problems);
  return { value: document.toJS(), lineOf: (path) => lineAt(offsetOf(document, path)) };
}

const variable = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{[^}]*\}?/g;

function resolveVariables(
  document: Document.Parsed,
  environment: Readonly<Record<string, string | undefined>>,
  lineAt: (offset: number) => number,
): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  visit(document, {
    Scalar(position, node) {
      if (position === 'key' || typeof node.value !== 'string') return;
      const line = lineAt(node.range?.[0] ?? 0);
      node.value = node.value.replace(variable, (whole: string, name?: string, fallback?: string) => {
        if (whole === '$${') return '${';
        if (name === undefined) {
          const message = `${whole} is neither \${NAME} nor \${NAME:-default}; write $\${ for a literal \${`;
          problems.push({ line, key: '', message });
          return '';
        }
        const value = environment[name];
        if (fallback !== undefined) return value || fallback;
        if (value === undefined) problems.push({ line, key: '', message: `variable ${name} is not set` });
        return value ?? '';
      });
    },
  });
  return problems;
}

function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const segment of path) {
    if (isAlias(node)) node = node.resolve(document);
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(segment));
      if (isScalar(pair?.key)) offset = pair.key.range?.[0] ?? offset;
      next = pair?.value;
    } else if (isSeq(node)) {
      next = node.items[Number(segment)];
      if (isNode(next)) offset = next.range?.[0] ?? offset;
    }
    if (next === undefined) break;
    node = next;
  }
  return offset;
}
