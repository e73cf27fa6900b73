import type { Json } from '../json.ts';
import { formsOf, shortestSecret } from './secret-forms.ts';
import type { RedactedStream } from './security.ts';

const mark = '[redacted]';

export interface Redactor {
  <T extends Json | undefined>(value: T): T;
  /** For a text that comes in pieces. */
  stream(): RedactedStream;
}

/** What is known now: a pattern, and every text that it finds. */
interface Known {
  pattern: RegExp;
  longest: number;
  /** By their first character. */
  forms: ReadonlyMap<string, readonly string[]>;
}

/**
 * Replaces known secrets by `[redacted]` in strings and keys at any depth, also where they were escaped or encoded, or
 * split over texts of one type in a list of parts.
 * Gives the very same value when it holds none.
 */
export function createRedactor(secrets: { values(): Iterable<string> }): Redactor {
  const values = new Set<string>();
  let known: Known | undefined;
  const current = (): Known | undefined => {
    const before = values.size;
    for (const secret of secrets.values()) values.add(secret);
    if (values.size > before) known = knownOf(values);
    return known;
  };
  const redact = <T extends Json | undefined>(value: T): T => {
    const { pattern } = current() ?? {};
    return pattern === undefined ? value : (redactJson(value, pattern) as T);
  };
  return Object.assign(redact, { stream: () => new HeldBackText(current) });
}

/** Holds back the end of a text for as long as it may be the beginning of a secret. */
class HeldBackText implements RedactedStream {
  readonly #current: () => Known | undefined;
  #held = '';

  constructor(current: () => Known | undefined) {
    this.#current = current;
  }

  push(text: string): string {
    const known = this.#current();
    const all = this.#held + text;
    const cut = known === undefined ? all.length : decidedLength(all, known);
    this.#held = all.slice(cut);
    return this.#clean(all.slice(0, cut), known);
  }

  end(): string {
    const rest = this.#clean(this.#held, this.#current());
    this.#held = '';
    return rest;
  }

  #clean(text: string, known: Known | undefined): string {
    return known === undefined ? text : text.replace(known.pattern, mark);
  }
}

/** How much of a text means the same whatever follows. */
function decidedLength(text: string, known: Known): number {
  let cut = text.length - beginningLength(text, known);
  // `matchAll` would make and compile the pattern anew
  text.replace(known.pattern, (found, index: number) => {
    if (index < cut && index + found.length > cut) cut = index;
    return found;
  });
  return cut;
}

/** How long the longest end of the text is that a longer form begins with. */
function beginningLength(text: string, { longest, forms }: Known): number {
  for (let length = Math.min(longest - 1, text.length); length > 0; length -= 1) {
    const begun = forms.get(text.charAt(text.length - length));
    if (begun === undefined) continue;
    const end = text.slice(-length);
    if (begun.some((form) => form.length > length && form.startsWith(end))) return length;
  }
  return 0;
}

function redactJson(value: Json | undefined, secret: RegExp): Json | undefined {
  if (typeof value === 'string') return value.replace(secret, mark);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    if (isSecretInBytes(value, secret)) return [mark];
    const items = withoutSplit(value, secret).map((item) => redactJson(item, secret) as Json);
    return items.length === value.length && items.every((item, index) => item === value[index])
      ? value
      : items;
  }
  const members = Object.entries(value).map(([key, item]): [string, Json] => [
    key.replace(secret, mark),
    redactJson(item, secret) as Json,
  ]);
  return members.every(([key, item]) => item === value[key]) ? value : Object.fromEntries(members);
}

type TextPart = { type: string; text: string };

const isTextPart = (item: Json): item is TextPart =>
  typeof item === 'object' &&
  item !== null &&
  !Array.isArray(item) &&
  typeof item.text === 'string' &&
  typeof item.type === 'string';

/**
 * The parts of a message, where texts of one type, read one after the other, hold a secret that none of them holds: then the
 * first has the text of them all, and the others are gone.
 */
function withoutSplit(list: readonly Json[], secret: RegExp): readonly Json[] {
  const parts = list.filter(isTextPart);
  if (parts.length < 2) return list;
  let whole = list;
  for (const type of new Set(parts.map((part) => part.type))) {
    const texts = parts.flatMap((part) => (part.type === type ? part.text : []));
    const text = texts.join('').replace(secret, mark);
    if (text === texts.map((each) => each.replace(secret, mark)).join('')) continue;
    const first = parts.find((part) => part.type === type);
    whole = whole.flatMap((item) => {
      if (!isTextPart(item) || item.type !== type) return [item];
      return item === first ? [{ ...first, text }] : [];
    });
  }
  return whole;
}

/** What a list of bytes is the text of, as a `Buffer` says itself in JSON. */
const isSecretInBytes = (list: readonly Json[], secret: RegExp): boolean =>
  list.length >= shortestSecret &&
  list.every((item) => typeof item === 'number' && Number.isInteger(item) && item >= 0 && item < 256) &&
  Buffer.from(list as number[])
    .toString()
    .search(secret) !== -1;

/** Long ones first: one secret may begin another. */
function knownOf(values: Iterable<string>): Known | undefined {
  const forms = [...new Set([...values].flatMap(formsOf))].sort((a, b) => b.length - a.length);
  if (forms.length === 0) return undefined;
  const byFirst = new Map<string, string[]>();
  for (const form of forms) byFirst.set(form.charAt(0), [...(byFirst.get(form.charAt(0)) ?? []), form]);
  const escaped = forms.map((form) => form.replace(/[\\^$.*|?+()[\]{}]/g, '\\$&'));
  return {
    pattern: new RegExp(escaped.join('|'), 'g'),
    longest: forms[0]?.length ?? 0,
    forms: byFirst,
  };
}
