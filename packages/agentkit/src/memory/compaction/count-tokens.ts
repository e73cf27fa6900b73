import { type Message, textOfPart } from '../../message.ts';
import type { ToolSpec } from '../../model/model.ts';

/** Runs without a break take the tokenizer quadratic time: a text is counted in pieces of so many characters. */
const pieceLength = 512;
const unbrokenLength = 64;
/** Of a longer text, pieces of so many characters in all are counted, evenly over it: a hostile one takes seconds. */
const mostCharacters = 64 * 1024;
const unbroken = /\S{65}|\s{65}/;
/** So many characters are counted before others have their turn. */
const turnLength = 100_000;
/** What a message, a part or a tool costs beside its text: roles, names, braces. On the high side. */
const overheadTokens = 8;
/** Vendors count pictures and pages in their own ways: about what a large picture costs with most of them. */
const fileTokens = 1_500;

export type CountText = (text: string) => number;

let loading: Promise<CountText> | undefined;

/**
 * The tokens of a text by OpenAI's encoding o200k_base, at most a few in a hundred too many. Loading it takes
 * half a second and 70 MB: it is loaded when a conversation may not fit, and short runs never do.
 */
export function loadTokenizer(): Promise<CountText> {
  loading ??= import('gpt-tokenizer/encoding/o200k_base').then(({ countTokens }) => {
    // Words like <|endoftext|> are text like any other here.
    const options = { allowedSpecial: new Set<string>(), disallowedSpecial: new Set<string>() };
    return (text) => {
      let tokens = 0;
      const stride = Math.max(1, Math.ceil(text.length / mostCharacters));
      for (let at = 0; at < text.length; at += pieceLength * stride) {
        const piece = text.slice(at, at + pieceLength);
        const length = unbroken.test(piece) ? unbrokenLength : pieceLength;
        for (let from = 0; from < piece.length; from += length)
          tokens += countTokens(piece.slice(from, from + length), options);
      }
      return tokens * stride;
    };
  });
  return loading;
}

const counted = new WeakMap<object, number>();
const bounded = new WeakMap<object, number>();

/** Tokens of a message or a tool, each counted once. */
export function countTokens(of: Message | ToolSpec, count: CountText): number {
  return once(counted, of, () => sum(of, count));
}

/** As many bytes as its text has: no tokenizer makes more tokens than that. Needs no tokenizer. */
export function mostTokens(of: Message | ToolSpec): number {
  return once(bounded, of, () => sum(of, (text) => Buffer.byteLength(text)));
}

/** Counts what is not counted yet, and lets others have their turn in between. */
export async function countAll(all: readonly (Message | ToolSpec)[]): Promise<number> {
  const count = await loadTokenizer();
  let total = 0;
  let sinceTurn = 0;
  for (const each of all) {
    if (!counted.has(each)) sinceTurn += mostTokens(each);
    total += countTokens(each, count);
    if (sinceTurn < turnLength) continue;
    sinceTurn = 0;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return total;
}

function once(known: WeakMap<object, number>, of: object, measure: () => number): number {
  const before = known.get(of);
  if (before !== undefined) return before;
  const tokens = measure();
  known.set(of, tokens);
  return tokens;
}

function sum(of: Message | ToolSpec, measure: CountText): number {
  if (!('role' in of)) return overheadTokens + measure(JSON.stringify(of));
  if (of.role === 'system') return overheadTokens + measure(of.content);
  return of.content.reduce(
    (tokens: number, part) =>
      tokens + overheadTokens + (part.type === 'file' ? fileTokens : measure(textOfPart(part))),
    overheadTokens,
  );
}
