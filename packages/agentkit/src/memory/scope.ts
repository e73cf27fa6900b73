import { createHash } from 'node:crypto';
import { canonicalJson } from '../json.ts';
import type { MemoryScope } from './memory.ts';

const scopeKeys = ['namespace', 'agent', 'session', 'user'] as const satisfies (keyof MemoryScope)[];

export const isVisible = (stored: MemoryScope, asked: MemoryScope): boolean =>
  scopeKeys.every((key) => stored[key] === undefined || stored[key] === asked[key]);

/** The same for the same scope. */
export const scopeKey = (scope: MemoryScope): string =>
  JSON.stringify(scopeKeys.map((key) => scope[key] ?? null));

/** The same text in the same scope has the same id, so that remembering it twice is remembering it once. */
export const memoryId = (scope: MemoryScope, text: string): string =>
  createHash('sha256')
    .update(canonicalJson([scopeKey(scope), text]))
    .digest('base64url')
    .slice(0, 22);
