import type { Message } from '../message.ts';
import type { Compaction } from './compaction/compaction.ts';
import { inMemoryStore } from './in-memory-store.ts';
import type { Memory, SessionScope } from './memory.ts';
import { type MemoryOptions, memoryOver } from './memory-over.ts';
import { checkScope, scopeKey } from './scope.ts';

interface Session {
  messages: readonly Message[];
  compaction?: Compaction;
  readonly runs: Set<string>;
}

/** Memory of this process. */
export function createMemory(options: MemoryOptions = {}): Memory {
  const sessions = new Map<string, Session>();
  return {
    ...memoryOver(inMemoryStore(), options),
    async messages(scope) {
      return sessions.get(sessionKey(scope))?.messages ?? [];
    },
    async compaction(scope) {
      return sessions.get(sessionKey(scope))?.compaction;
    },
    async append(scope, runId, messages, { compaction } = {}) {
      const key = sessionKey(scope);
      const session: Session = sessions.get(key) ?? { messages: [], runs: new Set() };
      sessions.set(key, session);
      if (session.runs.has(runId)) return;
      session.runs.add(runId);
      session.messages = [...session.messages, ...messages];
      if (compaction !== undefined) session.compaction = compaction;
    },
  };
}

/** The agent is no part of it: agents of one session share the conversation. */
function sessionKey({ namespace, session }: SessionScope): string {
  checkScope({ namespace });
  return scopeKey({ namespace, session });
}
