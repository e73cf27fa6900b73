import { createMemory, type Memory, type Message, messageSchema } from '@opspawn/agentkit';
import { z } from 'zod';
import type { Store } from '../storage/store.ts';

const messagesSchema = z.array(messageSchema);

/**
 * Memory whose sessions are in the store, so that any worker goes on where the last one stopped. What is remembered
 * for the long term lives in this process only.
 */
export function sessionMemory(store: Pick<Store, 'session' | 'appendSession'>): Memory {
  return {
    ...createMemory(),
    async messages({ namespace, session }): Promise<readonly Message[]> {
      const runs = await store.session(namespace, session);
      return runs.flatMap((run) => messagesSchema.parse(JSON.parse(run.messages)));
    },
    async append({ namespace, session }, runId, messages): Promise<void> {
      await store.appendSession(namespace, session, { runId, messages: JSON.stringify(messages) });
    },
  };
}
