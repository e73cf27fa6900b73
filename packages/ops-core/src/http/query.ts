import type { FieldError } from '@opspawn/sdk';
import { z } from 'zod';
import { pointerTo } from '../handlers/invalid-argument.ts';

export type QueryKind = 'integer' | 'list' | 'text';

/** How the values of a query are written in a URL: a list is one value with commas. */
export function queryKinds(schema: z.ZodObject): ReadonlyMap<string, QueryKind> {
  const { properties = {} } = z.toJSONSchema(schema, { io: 'input' });
  return new Map(
    Object.entries(properties).map(([name, property]) => {
      const type = typeof property === 'object' ? property.type : undefined;
      return [name, type === 'integer' ? 'integer' : type === 'array' ? 'list' : 'text'];
    }),
  );
}

export const twice = 'is there twice';

/**
 * The query of a URL as the values that its schema checks. What is not even a query (broken percent signs, invalid
 * UTF-8, a key twice) is added to `faults`.
 */
export function readQuery(
  url: string,
  kinds: ReadonlyMap<string, QueryKind>,
  faults: FieldError[],
): Record<string, unknown> {
  const query: Record<string, unknown> = Object.create(null);
  const start = url.indexOf('?');
  const pairs = start === -1 ? [] : url.slice(start + 1).split('&');
  for (const pair of pairs.filter((part) => part !== '')) {
    const equals = pair.indexOf('=');
    const name = decode(equals === -1 ? pair : pair.slice(0, equals));
    const value = decode(equals === -1 ? '' : pair.slice(equals + 1));
    const path = pointerTo(name ?? '');
    if (name === undefined || value === undefined)
      faults.push({ in: 'query', path, message: 'is not percent-encoded UTF-8' });
    else if (name in query) faults.push({ in: 'query', path, message: twice });
    else query[name] = convert(value, kinds.get(name));
  }
  return query;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

/** What is no integer stays text, for the schema to refuse. */
function convert(value: string, kind: QueryKind | undefined): unknown {
  if (kind === 'list') return value.split(',');
  return kind === 'integer' && /^-?\d+$/.test(value) ? Number(value) : value;
}
