/** What the architecture rules need to know of a TypeScript file, read without a parser. */
import { posix } from 'node:path';

export interface SourceFile {
  /** Relative to the repository, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  readonly specifier: string;
  /** The imported file's path in the repository, or undefined for a package. */
  readonly target: string | undefined;
  readonly line: number;
}

const comment = /\/\/[^\n]*|\/\*.*?(?:\*\/|$)/sy;
const quoted = /(['"])(?:\\.|(?!\1)[^\\\n])*\1/sy;
const regex = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\//y;
const regexMayFollow =
  /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|await|yield|void|throw))\s*$/;
/** From a backtick, or from the brace that ends a placeholder, up to the next placeholder or the last backtick. */
const templatePart = /[`}](?:[^\\`$]|\\.|\$(?!\{))*(?:`|\$\{)/sy;

/** The text with comments and the insides of strings, templates and regular expressions blanked; offsets stay. */
export function maskLiterals(text: string): string {
  const placeholderDepths: number[] = [];
  let depth = 0;
  let masked = '';
  while (masked.length < text.length) {
    const offset = masked.length;
    const char = text.charAt(offset);
    const endsPlaceholder = char === '}' && placeholderDepths.at(-1) === depth;
    if (char === '/') {
      const mayBeRegex = () => regexMayFollow.test(masked.slice(-100));
      const found = matchAt(comment, text, offset);
      masked +=
        found === undefined ? maskInside(mayBeRegex() ? matchAt(regex, text, offset) : '/') : blank(found);
    } else if (char === '`' || endsPlaceholder) {
      if (endsPlaceholder) placeholderDepths.pop();
      const part = matchAt(templatePart, text, offset);
      if (part?.endsWith('{')) placeholderDepths.push(depth);
      masked += maskInside(part ?? char);
    } else if (char === "'" || char === '"') {
      masked += maskInside(matchAt(quoted, text, offset) ?? char);
    } else {
      if (char === '{') depth += 1;
      if (char === '}') depth -= 1;
      masked += char;
    }
  }
  return masked;
}

function matchAt(pattern: RegExp, text: string, offset: number): string | undefined {
  pattern.lastIndex = offset;
  return pattern.exec(text)?.[0];
}

const blank = (text: string): string => text.replace(/[^\n]/g, ' ');

function maskInside(literal = '/'): string {
  return literal.length < 2 ? literal : literal.charAt(0) + blank(literal.slice(1, -1)) + literal.slice(-1);
}

/** The number, from 1, of the line that holds this offset. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

/** Every static and dynamic import and re-export, those of types included. */
export function importsOf(file: SourceFile): Import[] {
  const masked = maskLiterals(file.text);
  const quotes = masked.matchAll(/(?<![.\w$])(?:from|import)\s*(?:(?<=import\s*)\(\s*)?(?=(['"]))/g);
  return [...quotes].map((match) => {
    const start = match.index + match[0].length + 1;
    const specifier = file.text.slice(start, file.text.indexOf(match[1] ?? "'", start));
    const isRelative = specifier.startsWith('.');
    const target = isRelative ? posix.join(posix.dirname(file.path), specifier) : undefined;
    return { specifier, target, line: lineAt(file.text, match.index) };
  });
}

export function isTest(file: SourceFile): boolean {
  return file.path.endsWith('.test.ts');
}
