import type { Json } from '../json.ts';
import { formsOf, shortestSecret } from './secret-forms.ts';
import type { RedactedStream } from './security.ts';

const mark = '[redacted]';

export interface Redactor {
  <T extends Json | undefined>(value: T): T;
  /** For a text that comes in pieces. */
  stream(): RedactedStream;
}

/** So much of a form stands in the pattern: whole keys and certificates would make it too large to compile. */
const headLength = 32;

interface Form {
  text: string;
  head: string;
}

/** What is known now. */
interface Known {
  /** Finds where a form may begin. */
  heads: RegExp;
  longest: number;
  /** By their first character, long ones first: one secret may begin another. */
  forms: ReadonlyMap<string, readonly Form[]>;
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
    const known = current();
    return known === undefined ? value : (redactJson(value, known) as T);
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
    return known === undefined ? text : redactText(text, known);
  }
}

/** How much of a text means the same whatever follows. */
function decidedLength(text: string, known: Known): number {
  let cut = text.length - beginningLength(text, known);
  for (const { index, length } of findForms(text, known))
    if (index < cut && index + length > cut) cut = index;
  return cut;
}

/** How long the longest end of the text is that a longer form begins with. */
function beginningLength(text: string, { longest, forms }: Known): number {
  for (let length = Math.min(longest - 1, text.length); length > 0; length -= 1) {
    const at = text.length - length;
    const isBegun = ({ text: form, head }: Form): boolean =>
      form.length > length &&
      (length < head.length || text.startsWith(head, at)) &&
      form.startsWith(text.slice(at));
    if (forms.get(text.charAt(at))?.some(isBegun)) return length;
  }
  return 0;
}

/** From left to right, none within another. */
function findForms(text: string, { heads, forms }: Known): { index: number; length: number }[] {
  const found: { index: number; length: number }[] = [];
  heads.lastIndex = 0;
  for (let match = heads.exec(text); match !== null; match = heads.exec(text)) {
    const { index } = match;
    const form = forms.get(text.charAt(index))?.find((each) => text.startsWith(each.text, index));
    if (form !== undefined) found.push({ index, length: form.text.length });
    heads.lastIndex = index + (form?.text.length ?? 1);
  }
  return found;
}

function redactText(text: string, known: Known): string {
  const found = findForms(text, known);
  if (found.length === 0) return text;
  let clean = '';
  let end = 0;
  for (const { index, length } of found) {
    clean += text.slice(end, index) + mark;
    end = index + length;
  }
  return clean + text.slice(end);
}

function redactJson(value: Json | undefined, known: Known): Json | undefined {
  if (typeof value === 'string') return redactText(value, known);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    if (isSecretInBytes(value, known)) return [mark];
    const items = withoutSplit(value, known).map((item) => redactJson(item, known) as Json);
    return items.length === value.length && items.every((item, index) => item === value[index])
      ? value
      : items;
  }
  const members = Object.entries(value).map(([key, item]): [string, Json] => [
    redactText(key, known),
    redactJson(item, known) as Json,
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
function withoutSplit(list: readonly Json[], known: Known): readonly Json[] {
  const parts = list.filter(isTextPart);
  if (parts.length < 2) return list;
  let whole = list;
  for (const type of new Set(parts.map((part) => part.type))) {
    const texts = parts.flatMap((part) => (part.type === type ? part.text : []));
    const text = redactText(texts.join(''), known);
    if (text === texts.map((each) => redactText(each, known)).join('')) continue;
    const first = parts.find((part) => part.type === type);
    whole = whole.flatMap((item) => {
      if (!isTextPart(item) || item.type !== type) return [item];
      return item === first ? [{ ...first, text }] : [];
    });
  }
  return whole;
}

/** What a list of bytes is the text of, as a `Buffer` says itself in JSON. */
const isSecretInBytes = (list: readonly Json[], known: Known): boolean =>
  list.length >= shortestSecret &&
  list.every((item) => typeof item === 'number' && Number.isInteger(item) && item >= 0 && item < 256) &&
  findForms(Buffer.from(list as number[]).toString(), known).length > 0;

function knownOf(values: Iterable<string>): Known | undefined {
  const texts = [...new Set([...values].flatMap(formsOf))].sort((a, b) => b.length - a.length);
  if (texts.length === 0) return undefined;
  const forms = new Map<string, Form[]>();
  for (const text of texts) {
    const form = { text, head: text.slice(0, headLength) };
    const known = forms.get(text.charAt(0));
    if (known === undefined) forms.set(text.charAt(0), [form]);
    else known.push(form);
  }
  const heads = new Set(texts.map((text) => text.slice(0, headLength)));
  const escaped = [...heads].map((head) => head.replace(/[\\^$.*|?+()[\]{}]/g, '\\$&'));
  return { heads: new RegExp(escaped.join('|'), 'g'), longest: texts[0]?.length ?? 0, forms };
}
