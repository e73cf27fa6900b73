import type { Json } from '../json.ts';

/** Shorter values are left alone: they stand in every other word, and are no secrets. */
export const shortestSecret = 6;

const mark = '[redacted]';

/**
 * Replaces known secrets by `[redacted]` in strings and keys at any depth, also where they were escaped for JSON or a
 * URL. Gives the very same value when it holds none.
 */
export function createRedactor(secrets: {
  values(): Iterable<string>;
}): <T extends Json | undefined>(value: T) => T {
  const known = new Set<string>();
  let pattern: RegExp | undefined;
  return (value) => {
    const before = known.size;
    for (const secret of secrets.values()) known.add(secret);
    if (known.size > before) pattern = patternOf(known);
    return pattern === undefined ? value : (redact(value, pattern) as typeof value);
  };
}

function redact(value: Json | undefined, secret: RegExp): Json | undefined {
  if (typeof value === 'string') return value.replace(secret, mark);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const items = value.map((item) => redact(item, secret) as Json);
    return items.every((item, index) => item === value[index]) ? value : items;
  }
  const members = Object.entries(value).map(([key, item]): [string, Json] => [
    key.replace(secret, mark),
    redact(item, secret) as Json,
  ]);
  return members.every(([key, item]) => item === value[key]) ? value : Object.fromEntries(members);
}

/** Long ones first: one secret may begin another. */
function patternOf(values: Iterable<string>): RegExp | undefined {
  const forms = [...values]
    .filter((value) => value.length >= shortestSecret)
    .flatMap((value) => [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value)])
    .sort((a, b) => b.length - a.length)
    .map((form) => form.replace(/[\\^$.*|?+()[\]{}]/g, '\\$&'));
  return forms.length === 0 ? undefined : new RegExp([...new Set(forms)].join('|'), 'g');
}
