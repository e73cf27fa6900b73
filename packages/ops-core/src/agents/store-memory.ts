import {
  compactionSchema,
  type Memory,
  type MemoryOptions,
  type Message,
  memoryOver,
  messageSchema,
} from '@opspawn/agentkit';
import { z } from 'zod';
import type { Store } from '../storage/store.ts';

const messagesSchema = z.array(messageSchema);

/** Memory in the store, beside the tasks, so that any worker goes on where the last one stopped. */
export function storeMemory(
  store: Pick<Store, 'session' | 'appendSession' | 'memories'>,
  options: MemoryOptions = {},
): Memory {
  return {
    ...memoryOver(store.memories, options),
    async messages({ namespace, session }): Promise<readonly Message[]> {
      const runs = await store.session(namespace, session);
      return runs.flatMap((run) => messagesSchema.parse(JSON.parse(run.messages)));
    },
    async append({ namespace, session }, runId, messages, { compaction } = {}): Promise<void> {
      await store.appendSession(namespace, session, {
        runId,
        messages: JSON.stringify(messages),
        ...(compaction !== undefined && { compaction: JSON.stringify(compaction) }),
      });
    },
    async compaction({ namespace, session }) {
      const runs = await store.session(namespace, session);
      const last = runs.flatMap((run) => run.compaction ?? []).at(-1);
      return last === undefined ? undefined : compactionSchema.parse(JSON.parse(last));
    },
  };
}
