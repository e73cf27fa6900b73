import { randomUUID } from 'node:crypto';
import { type Clock, systemClock } from '../clock.ts';
import { OpspawnError } from '../errors.ts';
import type { Message } from '../message.ts';
import type { Memory, MemoryItem, MemoryScope } from './memory.ts';
import { rankByWords } from './word-ranking.ts';

const defaultRecall = 5;

interface Session {
  messages: readonly Message[];
  readonly runs: Set<string>;
}

/** Memory of this process. Long-term items are ranked by words. */
export function createMemory({ clock = systemClock }: { clock?: Clock } = {}): Memory {
  const sessions = new Map<string, Session>();
  const items = new Map<string, MemoryItem>();
  return {
    async messages(scope) {
      return sessions.get(sessionKey(scope))?.messages ?? [];
    },
    async append(scope, runId, messages) {
      const key = sessionKey(scope);
      const session = sessions.get(key) ?? { messages: [], runs: new Set() };
      sessions.set(key, session);
      if (session.runs.has(runId)) return;
      session.runs.add(runId);
      session.messages = [...session.messages, ...messages];
    },
    async remember(item) {
      checkScope(item.scope);
      const kept: MemoryItem = { ...item, id: randomUUID(), createdAt: clock.now() };
      items.set(kept.id, kept);
      return kept;
    },
    async recall(scope, query, { limit = defaultRecall } = {}) {
      checkScope(scope);
      dropExpired(items, clock.now());
      const visible = [...items.values()].filter((item) => isVisible(item.scope, scope));
      const texts = visible.map((item) => item.text);
      return rankByWords(texts, query)
        .slice(0, limit)
        .map(({ index }) => visible[index] as MemoryItem);
    },
    async forget(scope, id) {
      checkScope(scope);
      dropExpired(items, clock.now());
      const item = items.get(id);
      return item !== undefined && isVisible(item.scope, scope) && items.delete(id);
    },
  };
}

const scopeKeys = ['namespace', 'agent', 'session', 'user'] as const satisfies (keyof MemoryScope)[];

const isVisible = (stored: MemoryScope, asked: MemoryScope): boolean =>
  scopeKeys.every((key) => stored[key] === undefined || stored[key] === asked[key]);

/** The agent is no part of it: agents of one session share the conversation. */
function sessionKey(scope: MemoryScope & { session: string }): string {
  checkScope(scope);
  return JSON.stringify([scope.namespace, scope.session]);
}

/** A missing namespace would be everybody's. */
function checkScope({ namespace }: MemoryScope): void {
  if (typeof namespace === 'string' && namespace !== '') return;
  throw new OpspawnError('invalid_argument', 'A memory scope names its namespace', {
    details: { path: 'scope.namespace' },
  });
}

function dropExpired(items: Map<string, MemoryItem>, now: number): void {
  for (const [id, { expiresAt }] of items) if (expiresAt !== undefined && expiresAt <= now) items.delete(id);
}
