import type { Message } from '../message.ts';
import { checkMessages, checkSession } from './check-memory.ts';
import type { Compaction } from './compaction/compaction.ts';
import { inMemoryStore } from './in-memory-store.ts';
import type { Memory, SessionScope } from './memory.ts';
import { type MemoryOptions, memoryOver } from './memory-over.ts';
import { scopeKey } from './scope.ts';

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
      checkMessages(messages);
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
function sessionKey(scope: SessionScope): string {
  checkSession(scope);
  const { namespace, session } = scope;
  return scopeKey({ namespace, session });
}
